"""Floor plans: which tables a restaurant has, where they stand, and which of them touch.

A plan is made from the restaurant's name alone, so every run, and every reader of a CSV that names it, sees the same.
"""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Final

from examples.restaurant.database import Connection

NAMESPACE: Final = uuid.UUID("5e1d7a3c-2f64-5b0e-9c58-0d2b7c1f4a96")
"""Of every name-based id in this example."""

_ZONES: Final = ("main room", "window", "terrace")
_TABLES_IN_A_ZONE: Final = (7, 8, 9)
_CAPACITIES: Final = (2, 2, 2, 4, 4, 4, 6)
_FIXED: Final = 0.25  # the share of tables that are screwed to the floor


@dataclass(frozen=True, slots=True)
class Table:
    """A table; ``id`` is the database's."""

    id: int
    label: str
    capacity: int
    movable: bool
    zone: str


@dataclass(frozen=True, slots=True)
class FloorPlan:
    """The tables of a restaurant, by label, and the pairs of ids (smaller first) that stand side by side."""

    tables: tuple[Table, ...]
    adjacent: frozenset[tuple[int, int]]

    def touching(self, one: Table, other: Table) -> bool:
        """Say whether two tables stand side by side."""
        return (min(one.id, other.id), max(one.id, other.id)) in self.adjacent


def restaurant_id(name: str) -> uuid.UUID:
    """Give the id of the restaurant called ``name``."""
    return uuid.uuid5(NAMESPACE, f"restaurant/{name}")


def design(name: str) -> FloorPlan:
    """Design the floor of the restaurant called ``name``; ids count from 1."""
    rng = random.Random(f"floor/{name}")
    tables: list[Table] = []
    adjacent: set[tuple[int, int]] = set()
    for zone in _ZONES[: rng.randint(2, 3)]:
        row: list[Table] = []
        for _ in range(rng.choice(_TABLES_IN_A_ZONE)):
            number = len(tables) + 1
            table = Table(number, f"T{number:03}", rng.choice(_CAPACITIES), rng.random() >= _FIXED, zone)
            adjacent.update((other.id, table.id) for other in row[-1:])  # a row along the wall …
            if len(row) >= 3 and rng.random() < 0.4:
                adjacent.add((row[-3].id, table.id))  # … folded here and there
            row.append(table)
            tables.append(table)
    return FloorPlan(tuple(tables), frozenset(adjacent))


def save(conn: Connection, name: str, plan: FloorPlan) -> None:
    """Store a restaurant and its floor; the database gives the tables new ids."""
    restaurant = restaurant_id(name)
    conn.execute("INSERT INTO restaurants (id, name) VALUES (%s, %s)", (restaurant, name))
    ids: dict[int, int] = {}
    for zone in dict.fromkeys(table.zone for table in plan.tables):
        conn.execute("INSERT INTO zones (restaurant_id, name) VALUES (%s, %s)", (restaurant, zone))
    for table in plan.tables:
        row = conn.execute(
            "INSERT INTO tables (restaurant_id, zone_id, label, capacity, movable) "
            "SELECT %s, id, %s, %s, %s FROM zones WHERE restaurant_id = %s AND name = %s RETURNING id",
            (restaurant, table.label, table.capacity, table.movable, restaurant, table.zone),
        ).fetchone()
        assert row is not None  # noqa: S101 - the zone was stored above
        ids[table.id] = row[0]
    with conn.cursor() as cursor:
        pairs = [sorted((ids[a], ids[b])) for a, b in plan.adjacent]
        cursor.executemany("INSERT INTO adjacency (a, b) VALUES (%s, %s)", pairs)


def load(conn: Connection, restaurant: uuid.UUID) -> FloorPlan:
    """Load the floor of a restaurant; no tables if there is no such restaurant."""
    tables = conn.execute(
        "SELECT t.id, t.label, t.capacity, t.movable, z.name FROM tables t JOIN zones z ON z.id = t.zone_id "
        "WHERE t.restaurant_id = %s ORDER BY t.label",
        (restaurant,),
    ).fetchall()
    pairs = conn.execute(
        "SELECT a, b FROM adjacency JOIN tables t ON t.id = a WHERE t.restaurant_id = %s", (restaurant,)
    ).fetchall()
    return FloorPlan(tuple(Table(*row) for row in tables), frozenset((a, b) for a, b in pairs))
