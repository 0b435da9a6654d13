"""Which tables, put together, seat a party: geometry alone, no bookings and no database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from examples.restaurant.layout import FloorPlan, Table


@dataclass(frozen=True, slots=True)
class Strategy:
    """How far the planner may go: how many tables it puts together, and whether they must touch."""

    require_adjacency: bool = True
    max_tables: int = 3


@dataclass(frozen=True, slots=True)
class Combination:
    """Tables of one zone that seat a party, none of them needlessly."""

    tables: tuple[Table, ...]

    @property
    def capacity(self) -> int:
        """How many guests can sit."""
        return sum(table.capacity for table in self.tables)

    @property
    def table_ids(self) -> list[int]:
        """The ids of the tables, ascending: whoever locks several locks them in this order."""
        return sorted(table.id for table in self.tables)


def combinations(plan: FloorPlan, party: int, strategy: Strategy) -> list[Combination]:
    """List what seats ``party`` under ``strategy``; fewest tables first, then fewest empty chairs, then by label."""
    found = [
        Combination(tables)
        for tables in _groups(plan, strategy.max_tables)
        if _fits(tables, party)
        and (len(tables) == 1 or all(table.movable for table in tables))
        and (not strategy.require_adjacency or _connected(plan, tables))
    ]
    found.sort(key=lambda one: (len(one.tables), one.capacity, [table.label for table in one.tables]))
    return found


def why_none(plan: FloorPlan, party: int, strategy: Strategy) -> str:
    """Say why ``combinations`` is empty: the first reason that no waiting would remove."""
    if not plan.tables:
        return "No tables in this restaurant"
    if party > sum(table.capacity for table in plan.tables):
        return f"Insufficient global capacity for a party of {party}"
    fitting = [tables for tables in _groups(plan, strategy.max_tables) if _fits(tables, party)]
    if not fitting:
        return f"Unable to satisfy max tables {strategy.max_tables} for a party of {party}"
    if not any(all(table.movable for table in tables) for tables in fitting):
        return "Merged assignments require movable tables"
    return f"No suitable tables for a party of {party}"


def _groups(plan: FloorPlan, most: int) -> Iterator[tuple[Table, ...]]:
    for zone in dict.fromkeys(table.zone for table in plan.tables):
        members = [table for table in plan.tables if table.zone == zone]
        for size in range(1, most + 1):
            yield from itertools.combinations(members, size)


def _fits(tables: tuple[Table, ...], party: int) -> bool:
    """Whether the party sits, and would not without the smallest of the tables."""
    seats = sum(table.capacity for table in tables)
    return seats - min(table.capacity for table in tables) < party <= seats


def _connected(plan: FloorPlan, tables: tuple[Table, ...]) -> bool:
    reached, waiting = [tables[0]], list(tables[1:])
    for table in reached:  # grows while it is walked
        near = [other for other in waiting if plan.touching(table, other)]
        reached += near
        waiting = [other for other in waiting if other not in near]
    return not waiting
