"""From what a command names to its trace, where a setting says where traces are shown: by Jaeger, or by another."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import psycopg

from otel_auto_assign import semconv
from otel_auto_assign.analysis.doctor.findings import Finding
from otel_auto_assign.analysis.events import EVERYTHING, EventsTable, Filters, parameters, snapshot, statement
from otel_auto_assign.analysis.figures import Report
from otel_auto_assign.analysis.windows import Window
from otel_auto_assign.settings import TRACE_ID

_CENT: Final = Decimal("0.01")
_TIMED: Final = (
    ("planner_", (semconv.EVENT_QUOTE,)),
    ("job_success_duration", (semconv.EVENT_SUCCEEDED,)),
    ("job_", (semconv.EVENT_SUMMARY,)),
    ("inline_", tuple(sorted(semconv.INLINE_TERMINALS))),
)
"""Whose durations a figure's or a measure's are: the first whose beginning is that of its name."""
SLOWEST: Final = (
    ("planner call", "planner_duration_max_ms", "cache_hits=excluded"),
    ("job that succeeded", "job_success_duration_max_ms", "all"),
)
"""What a report names its trace of, and by which figure."""


@dataclass(frozen=True)
class Tracing:
    """How traces are found and addressed.

    Attributes:
        template: The setting ``trace_url``; empty where there are no addresses.
        conn: A connection that may read the table; see `figures.report` for its transaction.
        table: Its name as the settings have it.
        window: Rows are looked for in it.
        filters: Which of them count.
    """

    template: str
    conn: psycopg.Connection[Any]
    table: str
    window: Window
    filters: Filters = EVERYTHING

    def of_findings(self, findings: Sequence[Finding]) -> list[Finding]:
        """Give what doctor found, with the addresses of its examples' traces."""
        urls = self._by_id({example for finding in findings for example in finding.examples})
        return [
            replace(finding, traces={one: urls[one] for one in finding.examples if one in urls}) for finding in findings
        ]

    def of_report(self, report: Report) -> Report:
        """Give a report, with the addresses of what could not be read, and of what took longest."""
        urls = self._by_id({fault.example for fault in report.faults})
        faults = [replace(fault, trace=urls.get(fault.example, "")) for fault in report.faults]
        whole = {(one.metric, one.dimension): one.value for one in report.figures if not one.split}
        largest = {name: (metric, whole.get((metric, dimension))) for name, metric, dimension in SLOWEST}
        asked = [(metric, value) for metric, value in largest.values() if value is not None]
        by_duration = self._by_duration(asked)
        slowest = {
            name: by_duration[metric, value]
            for name, (metric, value) in largest.items()
            if value is not None and (metric, value) in by_duration
        }
        return replace(report, faults=faults, slowest=slowest)

    def of_durations(self, measure: str, largest: Sequence[float]) -> tuple[str, ...]:
        """Give the address of each of some durations of a measure, in ms; empty where there is none."""
        urls = self._by_duration((measure, _cents(value)) for value in largest)
        return tuple(urls.get((measure, _cents(value)), "") for value in largest)

    def _url(self, trace_id: str) -> str:
        return self.template.replace(TRACE_ID, trace_id)

    def _by_id(self, ids: Collection[str]) -> dict[str, str]:
        if not (self.template and ids):
            return {}
        return {one: self._url(trace) for one, trace in self._ask("traces", ids=sorted(ids))}

    def _by_duration(self, asked: Iterable[tuple[str, Decimal]]) -> dict[tuple[str, Decimal], str]:
        """Addresses by what was asked for: a figure's or a measure's name, and a duration in ms."""
        wanted = {(name, value): _events(name) for name, value in asked}
        if not (self.template and wanted):
            return {}
        rows = self._ask(
            "traces_by_duration",
            events=sorted({event for events in wanted.values() for event in events}),
            durations=sorted({value for _, value in wanted}),
        )
        traces = {(event, _cents(ms)): trace for event, ms, trace in rows}
        return {
            (name, value): self._url(traces[event, value])
            for (name, value), events in wanted.items()
            for event in events
            if (event, value) in traces
        }

    def _ask(self, question: str, **given: Any) -> list[tuple[Any, ...]]:
        with snapshot(self.conn):
            events = EventsTable.find(self.conn, self.table)
            asked = events.ask(statement(question), self.filters)
            return self.conn.execute(asked, parameters(self.window, self.filters) | given).fetchall()


def _events(name: str) -> tuple[str, ...]:
    return next(events for beginning, events in _TIMED if name.startswith(beginning))


def _cents(value: float) -> Decimal:
    return Decimal(value).quantize(_CENT)
