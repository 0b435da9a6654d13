"""The rows of a stage → its two sides: what `compare` and `gate` look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from otel_auto_assign.analysis.cohorts import Cohort
from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.loading import load
from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.sides import Sides, divide, windows
from otel_auto_assign.analysis.windows import Window


@dataclass(frozen=True)
class Reader:
    """From where, and as of when, the rows of stages are read.

    Attributes:
        conn: A connection that may read the table.
        now: Nothing later is looked at.
        table: Its name as the settings have it.
        zone: Of the restaurants: their days are told by it.
        without_sources: Values of ``source`` that do not count.
        asking: Called with what is read next.
    """

    conn: psycopg.Connection[Any]
    now: datetime
    table: str
    zone: ZoneInfo
    without_sources: tuple[str, ...] = ()
    asking: Callable[[str], object] = str

    def cohort(self, stage: Stage, window: Window, *, unsaid: bool = False) -> Cohort:
        """Load what a stage would see in a window.

        Args:
            stage: Its environment and restaurants.
            window: When.
            unsaid: Whether rows that name no environment count as its: for planning, years of rows name none.

        Raises:
            TableMissingError: if there is no such table.
            psycopg.Error: if it cannot be read.
        """
        environments = (stage.environment, *([""] if unsaid else [])) if stage.environment else ()
        found = load(
            self.conn,
            window,
            now=self.now,
            zone=self.zone,
            table=self.table,
            filters=Filters(environments, (), self.without_sources),
            asking=self.asking,
        )
        return found.at(stage.restaurants) if stage.restaurants else found

    def sides(self, stage: Stage, window: Window, *, before: Window | None = None) -> Sides:
        """Load what a stage compares, shared out as its unit wants it; see `cohort`.

        Args:
            stage: Its unit says how the sides are told apart.
            window: Of both sides; of windows, of the post side.
            before: Of windows: the baseline's.
        """
        cohort = self.cohort(stage, window)
        if stage.unit is Unit.WINDOW and before is not None:
            return windows(cohort, self.cohort(stage, before))
        return divide(cohort, stage)
