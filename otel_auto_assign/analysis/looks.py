"""The rows of a stage → its comparison: what `compare` and `gate` look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from otel_auto_assign.analysis.cohorts import Cohort
from otel_auto_assign.analysis.comparison import Comparison, compare
from otel_auto_assign.analysis.days import DEFAULT_CORRELATION
from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.loading import load
from otel_auto_assign.analysis.plans import Stage, Unit
from otel_auto_assign.analysis.sides import divide, windows
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

    def cohort(self, stage: Stage, window: Window) -> Cohort:
        """Load what a stage would see in a window.

        Raises:
            TableMissingError: if there is no such table.
            psycopg.Error: if it cannot be read.
        """
        found = load(
            self.conn,
            window,
            now=self.now,
            zone=self.zone,
            table=self.table,
            filters=Filters((stage.environment,) if stage.environment else (), (), self.without_sources),
            asking=self.asking,
        )
        return found.at(stage.restaurants) if stage.restaurants else found

    def compared(
        self,
        stage: Stage,
        window: Window,
        *,
        before: Window | None = None,
        correlation: float = DEFAULT_CORRELATION,
        frozen: Mapping[str, float] | None = None,
    ) -> Comparison:
        """Load and compare; see `cohort` and `comparison.compare`.

        Args:
            stage: Its unit says how the sides are told apart.
            window: Of both sides; of windows, of the post side.
            before: Of windows: the baseline's.
            correlation: The plan's.
            frozen: What was fixed before the stage.
        """
        cohort = self.cohort(stage, window)
        if stage.unit is not Unit.WINDOW or before is None:
            sides = divide(cohort, stage)
        else:
            sides = windows(cohort, self.cohort(stage, before))
        return compare(sides, stage, window, before=before, correlation=correlation, frozen=frozen)
