"""The statement that writes a batch, made for a table as it was found, and the one that goes before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql

from observability_events import wire

if TYPE_CHECKING:
    from observability_events.probe import Shape


def patience_statement(shape: Shape) -> sql.Composed:
    """Give the statement that bounds how long the rest of its transaction waits for a lock.

    Not set by the inserting statement itself: that has the locks of the whole tables before anything in it runs. And
    for the transaction alone: no session state is left behind for the next client of a pooler.
    """
    return sql.SQL("SELECT pg_catalog.set_config('lock_timeout', {}, true)").format(
        sql.Literal(f"{shape.lock_timeout_ms}ms")
    )


def insert_statement(shape: Shape) -> sql.Composed:
    """Give the one statement that writes a batch; its parameters are the arrays of ``shape.types``, in that order.

    Rows go in by booking, so that two writers take the locks of bookings in the same order.
    """
    columns = list(shape.types)
    values: list[sql.Composable] = []
    joins: list[sql.Composable] = []
    for column in columns:
        value = _value(shape, column)
        if column in shape.parents:
            parent = shape.parents[column]
            joins.append(
                sql.SQL("LEFT JOIN {} AS {} ON {} = {}").format(
                    sql.Identifier(parent.schema, parent.table),
                    sql.Identifier(f"p_{column}"),
                    sql.Identifier(f"p_{column}", parent.column),
                    sql.SQL("({})::{}").format(value, sql.SQL(shape.types[column])),
                )
            )
            value = sql.Identifier(f"p_{column}", parent.column)
        elif column == "context":
            for reference in shape.parents:
                value = sql.SQL(
                    "{} || CASE WHEN {} IS NOT NULL AND {} IS NULL THEN jsonb_build_object({}, {}) ELSE '{{}}' END"
                ).format(
                    value,
                    sql.Identifier("r", reference),
                    sql.Identifier(f"p_{reference}", shape.parents[reference].column),
                    sql.Literal(wire.REFERENCES[reference]),
                    sql.Identifier("r", reference),
                )
        values.append(sql.SQL("({})::{}").format(value, sql.SQL(shape.types[column])))
    arrays = [sql.SQL(f"${number}::{wire.TYPES[column]}[]") for number, column in enumerate(columns, 1)]
    return sql.SQL(
        "INSERT INTO {table} ({columns}) "
        "SELECT {values} FROM unnest({arrays}) AS r ({columns}) {joins} "
        "{order} ON CONFLICT DO NOTHING"
    ).format(
        table=sql.Identifier(shape.schema, shape.name),
        columns=sql.SQL(", ").join(map(sql.Identifier, columns)),
        values=sql.SQL(", ").join(values),
        arrays=sql.SQL(", ").join(arrays),
        joins=sql.SQL(" ").join(joins),
        order=sql.SQL("ORDER BY {}").format(sql.Identifier("r", wire.BOOKING))
        if wire.BOOKING in columns
        else sql.SQL(""),
    )


def _value(shape: Shape, column: str) -> sql.Composable:
    """Give what goes into ``column``, of the row that is called ``r``."""
    value: sql.Composable = sql.Identifier("r", column)
    if column in shape.without_zone:
        return sql.SQL("{} AT TIME ZONE 'UTC'").format(value)  # not in the session's zone
    referencing = column in shape.constraints.values()
    if (
        column in wire.REFERENCES
        and column in shape.any_text
        and "context" in shape.types
        # One that references nothing is found by the join; where there is none, only uuids can be told from the error.
        and (column in shape.parents or not referencing)
    ):
        return sql.SQL("COALESCE({}::text, {} ->> {})").format(
            value, sql.Identifier("r", "context"), sql.Literal(wire.REFERENCES[column])
        )
    return value
