"""The figures of the contract's §7, held against numbers worked out by hand on small tables."""

from __future__ import annotations

import csv
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

import otel_auto_assign.analysis
from otel_auto_assign import semconv
from otel_auto_assign.analysis.events import statement
from otel_auto_assign.analysis.figures import CSV_HEADER, figures, report, write_csv
from otel_auto_assign.analysis.windows import Window
from tests.postgres import create_events_table

START = datetime(2026, 11, 1, tzinfo=UTC)
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
WINDOW = Window(START, datetime(2026, 11, 2, tzinfo=UTC))

SQL = Path(otel_auto_assign.analysis.__file__).with_name("sql")

Connection = psycopg.Connection[Any]


def write(
    conn: Connection,
    event_type: str,
    context: dict[str, Any] | None = None,
    *,
    at: datetime = NOON,
    booking: uuid.UUID | None = None,
    table: str = "observability_events",
) -> None:
    """Insert one row as the host application might."""
    if booking is not None:
        conn.execute("INSERT INTO bookings (id) VALUES (%s) ON CONFLICT DO NOTHING", (booking,))
    columns = "created_at, source, event_type, context, booking_id"
    conn.execute(
        f"INSERT INTO {table} ({columns}) VALUES (%s, %s, %s, %s, %s)".encode(),
        (at, "test", event_type, None if context is None else Jsonb(context), booking),
    )


def values(conn: Connection, window: Window = WINDOW, **options: Any) -> dict[str, tuple[Decimal | None, int]]:
    """Give value and sample size by ``metric`` (dimension ``all``) or ``metric dimension``."""
    return {
        figure.metric if figure.dimension == "all" else f"{figure.metric} {figure.dimension}": (
            figure.value,
            figure.sample_size,
        )
        for figure in figures(conn, window, **options)
    }


def the(number: str, sample: int) -> tuple[Decimal, int]:
    """Write an expected value and its sample size as figures give them."""
    return Decimal(number), sample


@pytest.mark.usefixtures("events_table")
def test_every_name_of_the_contract_is_there_and_empty_on_an_empty_window(conn: Connection) -> None:
    """Without a single row every metric of §7 but the reasons, which have no dimension yet, is there and empty."""
    found = figures(conn, WINDOW)

    assert {(figure.value, figure.sample_size) for figure in found} == {(None, 0)}
    assert {(figure.metric, figure.dimension) for figure in found} == {
        *((f"planner_duration_{s}_ms", d) for s in ("p50", "p90", "p95", "p99", "avg", "max")
          for d in ("all", "cache_hits=excluded")),
        ("planner_cache_hit_pct", "all"),
        *((f"job_attempts_{s}", "all") for s in ("avg", "p50", "p90", "p95", "max")),
        ("job_attempts_sample_size", "bookings"),
        *((f"inline_duration_{s}_ms", d) for s in ("p50", "p90", "p95", "avg") for d in ("all", "late=excluded")),
        *(("inline_success_rate_pct", d) for d in ("all", "late=excluded", "outcome=decided")),
        ("inline_timeout_pct", "all"),
        ("inline_success_event_count", "all"),
        ("inline_timeout_event_count", "all"),
        *((f"job_success_duration_{s}_ms", "all") for s in ("p50", "p95", "avg", "max")),
        *((f"job_{s}_rate_pct", d) for s in ("success", "failure") for d in ("all", "outcome=decided")),
        *((f"job_{s}_count", "all") for s in ("started", "succeeded", "failed", "hard_stop")),
        ("inline_email_duplicates", "all"),
    }  # fmt: skip


@pytest.mark.usefixtures("events_table")
def test_planner_durations(conn: Connection) -> None:
    """All calls with a duration count, in every flow; without cache hits the two slow ones stay."""
    write(conn, "auto_assign.quote", {"planner_duration_ms": 10, "durationMs": 10, "cache_hit": True, "flow": "job"})
    write(
        conn, "auto_assign.quote", {"planner_duration_ms": 100, "durationMs": 100, "cache_hit": False, "flow": "direct"}
    )
    write(conn, "auto_assign.quote", {"durationMs": 300.5})  # as an older writer left it
    write(conn, "auto_assign.quote", {"planner_duration_ms": None, "durationMs": None, "cache_hit": True})
    write(conn, "auto_assign.quote", None)
    found = values(conn)

    # sorted: 10, 100, 300.5; rank of p is p * 2 from 0
    assert found["planner_duration_p50_ms"] == the("100.00", 3)
    assert found["planner_duration_p90_ms"] == the("260.40", 3)  # 100 + 0.8 * 200.5
    assert found["planner_duration_p95_ms"] == the("280.45", 3)  # 100 + 0.9 * 200.5
    assert found["planner_duration_p99_ms"] == the("296.49", 3)  # 100 + 0.98 * 200.5
    assert found["planner_duration_avg_ms"] == the("136.83", 3)  # 410.5 / 3
    assert found["planner_duration_max_ms"] == the("300.50", 3)
    assert found["planner_duration_p50_ms cache_hits=excluded"] == the("200.25", 2)
    assert found["planner_duration_avg_ms cache_hits=excluded"] == the("200.25", 2)
    assert found["planner_duration_max_ms cache_hits=excluded"] == the("300.50", 2)
    assert found["planner_cache_hit_pct"] == the("33.33", 3)


@pytest.mark.usefixtures("events_table")
def test_a_null_duration_falls_back_on_the_other_key(conn: Connection) -> None:
    """A null ``planner_duration_ms`` beside a ``durationMs`` is a row with a duration."""
    write(conn, "auto_assign.quote", {"planner_duration_ms": None, "durationMs": 7})
    found = values(conn)

    assert found["planner_duration_max_ms"] == the("7.00", 1)
    assert found["planner_cache_hit_pct"] == the("0.00", 1)


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("number", ["1e400", "-1e400", "1e-400", "9" * 400])
def test_a_number_beyond_a_double_is_unreadable(conn: Connection, number: str) -> None:
    """JSON allows it; it ends no question, and is counted instead."""
    write(conn, "auto_assign.quote", {"durationMs": 7})
    write(conn, "auto_assign.quote", {"durationMs": 0})
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) "
        "VALUES (%s, 'test', 'auto_assign.quote', %s::jsonb)",
        (NOON, f'{{"durationMs": {number}}}'),
    )
    told = report(conn, WINDOW)

    assert [(fault.what, fault.rows) for fault in told.faults] == [("a duration that is no number", 1)]
    assert values(conn)["planner_duration_max_ms"] == the("7.00", 2)


@pytest.mark.usefixtures("events_table")
def test_attempts_are_counted_for_each_booking(conn: Connection) -> None:
    """Rows of one booking are one sample, whether its id is in the column or, dangling, in the context."""
    for attempts in (1, 2, 5):
        booking = uuid.uuid4()
        for _ in range(attempts):
            write(conn, "auto_assign.attempt", {"reasonCode": "hard.no_capacity"}, booking=booking)
    for _ in range(4):
        write(conn, "auto_assign.attempt", {"booking_ref": "b-17"})
    write(conn, "auto_assign.attempt", {})  # nobody's
    write(conn, "auto_assign.attempt_error", {"booking_ref": "b-17"})
    found = values(conn)

    # sorted: 1, 2, 4, 5; rank of p is p * 3 from 0
    assert found["job_attempts_avg"] == the("3.00", 4)
    assert found["job_attempts_p50"] == the("3.00", 4)
    assert found["job_attempts_p90"] == the("4.70", 4)
    assert found["job_attempts_p95"] == the("4.85", 4)
    assert found["job_attempts_max"] == the("5.00", 4)
    assert found["job_attempts_sample_size bookings"] == the("4.00", 4)


def test_attempts_in_a_table_without_the_optional_columns(conn: Connection) -> None:
    """A deployment that has no booking_id column keeps the booking in the context."""
    create_events_table(conn, missing=("booking_id", "restaurant_id"))
    for ref in ("a", "a", "b"):
        conn.execute(
            "INSERT INTO observability_events (created_at, source, event_type, context) VALUES (%s, 'test', %s, %s)",
            (NOON, "auto_assign.attempt", Jsonb({"booking_ref": ref})),
        )

    assert values(conn)["job_attempts_avg"] == the("1.50", 2)


@pytest.mark.usefixtures("events_table")
def test_inline_quotes(conn: Connection) -> None:
    """Durations and success by ``hasHold`` take every quote_result; beside them stand those that were not late."""
    write(conn, "inline_auto_assign.quote_result", {"durationMs": 1000, "hasHold": True})
    write(conn, "inline_auto_assign.quote_result", {"durationMs": 2000, "hasHold": False, "late": False})
    write(conn, "inline_auto_assign.quote_result", {"durationMs": 9000, "hasHold": True, "late": True})
    found = values(conn)

    assert found["inline_duration_p50_ms"] == the("2000.00", 3)
    assert found["inline_duration_p90_ms"] == the("7600.00", 3)  # 2000 + 0.8 * 7000
    assert found["inline_duration_p95_ms"] == the("8300.00", 3)
    assert found["inline_duration_avg_ms"] == the("4000.00", 3)
    assert found["inline_duration_p95_ms late=excluded"] == the("1950.00", 2)
    assert found["inline_duration_avg_ms late=excluded"] == the("1500.00", 2)
    assert found["inline_success_rate_pct"] == the("66.67", 3)
    assert found["inline_success_rate_pct late=excluded"] == the("50.00", 2)
    assert found["inline_success_rate_pct outcome=decided"] == (None, 0)


@pytest.mark.usefixtures("events_table")
def test_inline_terminals(conn: Connection) -> None:
    """Time-outs stand against successes; decided success against every terminal that is not late."""
    for event in ("succeeded", "timeout", "timeout", "timeout", "no_hold", "confirm_failed", "quote_error"):
        write(conn, f"inline_auto_assign.{event}", {"durationMs": 1})
    write(conn, "inline_auto_assign.operation_aborted", {"durationMs": 1})
    write(conn, "inline_auto_assign.quote_error", {"durationMs": 1, "late": True})
    found = values(conn)

    assert found["inline_timeout_pct"] == the("75.00", 4)
    assert found["inline_success_event_count"] == the("1", 8)
    assert found["inline_timeout_event_count"] == the("3", 8)
    assert found["inline_success_rate_pct outcome=decided"] == the("12.50", 8)
    assert found["inline_success_rate_pct"] == (None, 0)


@pytest.mark.usefixtures("events_table")
def test_job_rates_and_counts(conn: Connection) -> None:
    """Today's rates are over started rows, the better ones over summaries that came to a decision."""
    results = ("succeeded", "succeeded", "succeeded", "exhausted", "cutoff", "error", "abandoned", "already_confirmed")
    for result in (*results, "skipped", "cancelled"):
        write(conn, "auto_assign.started", {})
        write(conn, "auto_assign.summary", {"result": result})
    for milliseconds in (1000, 2000, 6000):
        write(conn, "auto_assign.succeeded", {"durationMs": milliseconds})
    write(conn, "auto_assign.failed", {})
    found = values(conn)

    assert found["job_success_rate_pct"] == the("30.00", 10)
    assert found["job_failure_rate_pct"] == the("10.00", 10)
    assert found["job_success_rate_pct outcome=decided"] == the("37.50", 8)
    assert found["job_failure_rate_pct outcome=decided"] == the("50.00", 8)
    assert found["job_started_count"] == the("10", 10)
    assert found["job_succeeded_count"] == the("3", 10)
    assert found["job_failed_count"] == the("1", 10)
    assert found["job_hard_stop_count"] == the("0", 10)
    assert found["job_success_duration_p50_ms"] == the("2000.00", 3)
    assert found["job_success_duration_p95_ms"] == the("5600.00", 3)
    assert found["job_success_duration_avg_ms"] == the("3000.00", 3)
    assert found["job_success_duration_max_ms"] == the("6000.00", 3)


@pytest.mark.usefixtures("events_table")
def test_a_job_that_started_before_the_window_still_counts(conn: Connection) -> None:
    """Its failure is counted although no start is in the window, whose rates therefore stay empty."""
    write(conn, "auto_assign.started", {}, at=START - timedelta(minutes=1))
    write(conn, "auto_assign.failed", {})
    found = values(conn)

    assert found["job_failed_count"] == the("1", 1)
    assert found["job_started_count"] == (None, 0)
    assert found["job_failure_rate_pct"] == (None, 0)


@pytest.mark.usefixtures("events_table")
def test_reason_shares(conn: Connection) -> None:
    """Each code has its share of all attempts, success included; what has no code is unknown."""
    for code in ("success", "hard.no_capacity", "hard.no_capacity"):
        write(conn, "auto_assign.attempt", {"reasonCode": code})
    write(conn, "auto_assign.attempt", {})
    found = values(conn)

    assert {name: value for name, value in found.items() if name.startswith("reason_share_pct")} == {
        "reason_share_pct success": the("25.00", 4),
        "reason_share_pct hard.no_capacity": the("50.00", 4),
        "reason_share_pct unknown": the("25.00", 4),
    }


@pytest.mark.usefixtures("events_table")
def test_email_duplicates_need_a_named_event_type(conn: Connection) -> None:
    """E-mail rows beyond the first of their booking count, once the application's event type is named."""
    twice, once = uuid.uuid4(), uuid.uuid4()
    for booking in (twice, twice, twice, once):
        write(conn, "booking.email_sent", {}, booking=booking)
    write(conn, "booking.email_sent", {})

    assert values(conn)["inline_email_duplicates"] == (None, 0)
    assert values(conn, email_event_type="booking.email_sent")["inline_email_duplicates"] == the("2", 5)


@pytest.mark.usefixtures("events_table")
def test_the_window_has_its_start_and_not_its_end(conn: Connection) -> None:
    """A row at the start is in, a row at the end is not, in whatever time zone the window is given."""
    write(conn, "auto_assign.started", {}, at=WINDOW.start)
    write(conn, "auto_assign.started", {}, at=WINDOW.end - timedelta(microseconds=1))
    write(conn, "auto_assign.started", {}, at=WINDOW.end)
    write(conn, "auto_assign.started", {}, at=WINDOW.start - timedelta(microseconds=1))
    east = timezone(timedelta(hours=5, minutes=30))

    assert values(conn)["job_started_count"] == the("2", 2)
    moved = Window(WINDOW.start.astimezone(east), WINDOW.end.astimezone(east))
    assert values(conn, moved)["job_started_count"] == the("2", 2)


@pytest.mark.usefixtures("events_table")
def test_every_figure_keeps_to_the_window(conn: Connection) -> None:
    """Rows of every type at the end of the window and before its start leave all figures empty; one inside does not."""
    context = {"durationMs": 5, "hasHold": True, "result": "succeeded", "reasonCode": "success", "booking_ref": "b"}
    events = [name for name, value in vars(semconv).items() if name.startswith("EVENT_") and isinstance(value, str)]
    types = [getattr(semconv, name) for name in events] + ["booking.email_sent"]
    for event_type in types:
        write(conn, event_type, context, at=WINDOW.end)
        write(conn, event_type, context, at=WINDOW.start - timedelta(microseconds=1))
    assert {figure.value for figure in figures(conn, WINDOW, email_event_type="booking.email_sent")} == {None}

    for event_type in types:
        write(conn, event_type, context, at=WINDOW.start)
    found = figures(conn, WINDOW, email_event_type="booking.email_sent")
    assert [figure for figure in found if figure.value is None] == []
    assert "reason_share_pct" in {figure.metric for figure in found}


@pytest.mark.usefixtures("events_table")
def test_foreign_rows_are_left_alone(conn: Connection) -> None:
    """Rows of the host's other features change no figure."""
    for foreign in ("capacity.selector.quote", "auto_assign.quoted", "booking.created", "auto_assign.started.extra"):
        write(conn, foreign, {"durationMs": 5, "hasHold": True, "result": "succeeded", "reasonCode": "success"})

    assert {figure.value for figure in figures(conn, WINDOW)} == {None}


@pytest.mark.parametrize(
    "name", ["observability_events", "Observability_Events", '{schema}."Own ""events"" {{x}}"', "{schema}.events"]
)
def test_the_table_is_named_as_in_sql(conn: Connection, schema: str, name: str) -> None:
    """Names with a schema, in capitals and in quotes reach the table that SQL would reach."""
    table = name.format(schema=schema)
    create_events_table(conn, name=table)
    write(conn, "auto_assign.started", {}, table=table)

    assert values(conn, table=table)["job_started_count"] == the("1", 1)


@pytest.mark.usefixtures("events_table")
def test_the_figures_share_one_snapshot(conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written between two statements is in neither; what came before the first is in all."""
    write(conn, "auto_assign.attempt", {"booking_ref": "before"})
    write(conn, "auto_assign.quote", {"durationMs": 5})

    def busy(question: str) -> sql.SQL:
        write(conn, "auto_assign.started", {})
        write(conn, "auto_assign.attempt", {"booking_ref": question})
        write(conn, "auto_assign.quote", {"durationMs": 7})
        return statement(question)

    with psycopg.connect(dsn) as reader:
        monkeypatch.setattr("otel_auto_assign.analysis.figures.statement", busy)
        found = values(reader)
        assert reader.info.transaction_status == psycopg.pq.TransactionStatus.IDLE

    assert found["job_attempts_avg"] == the("1.00", 1)
    assert found["planner_duration_max_ms"] == the("5.00", 1)
    assert found["job_started_count"] == (None, 0)


@pytest.mark.usefixtures("events_table")
def test_a_transaction_of_the_caller_is_used_and_kept(conn: Connection, dsn: str) -> None:
    """What the caller has not committed yet is in the figures, and stays the caller's to commit."""
    with psycopg.connect(dsn) as host:
        write(host, "auto_assign.started", {})
        assert values(host)["job_started_count"] == the("1", 1)
        host.rollback()

    assert values(conn)["job_started_count"] == (None, 0)


@pytest.mark.parametrize("question", sorted(path.stem for path in SQL.glob("*.sql")))
def test_each_statement_says_what_it_answers(question: str) -> None:
    """Each file begins with its question."""
    text = statement(question).as_string()
    header = text[: text.index("?")]
    assert {line[:3] for line in header.splitlines()} == {"-- "}


@pytest.mark.usefixtures("events_table")
def test_the_csv_is_the_contract_s(conn: Connection, tmp_path: Path) -> None:
    """Header, UTC bounds, order and empty values are as the contract has them."""
    write(conn, "auto_assign.quote", {"durationMs": 12.345})
    found = figures(conn, WINDOW)
    path = tmp_path / "post.csv"
    with path.open("w", newline="") as out:
        write_csv(out, WINDOW, found)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))

    assert rows[0] == list(CSV_HEADER)
    assert len(rows) == len(found) + 1
    assert [row[2:4] for row in rows[1:]] == sorted(row[2:4] for row in rows[1:])
    bounds = ["2026-11-01T00:00:00+00:00", "2026-11-02T00:00:00+00:00"]
    assert [*bounds, "planner_duration_max_ms", "all", "12.35", "ms", "1", "auto_assign.quote"] in rows
    assert [*bounds, "job_attempts_avg", "all", "", "attempts", "0", "auto_assign.attempt"] in rows
