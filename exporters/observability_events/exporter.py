"""The door that ``OTEL_TRACES_EXPORTER=observability_events`` opens: a span exporter.

It sees sampled spans only, and a job when it has ended; where the provider is built by hand,
`observability_events.processor.ObservabilityEventsProcessor` is the better door. With both in one process every row is
written once: its id is the same, and the second is counted as already present.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from observability_events.door import Door
from observability_events.pipeline import Pipeline
from observability_events.rows import all_rows_of, is_ours
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_log = SafeLog(__name__)


class ObservabilityEventsExporter(Door, SpanExporter):
    """Hands our spans over to the pipeline that writes their rows, a job's ``started`` included.

    Args:
        settings: By default those of the environment.
        pipeline: Used in the place of an own one.

    Without a DSN it prints the rows to the standard output, one JSON line each, and says so once in the log: whoever
    chose this exporter and has no database sees what would be written.
    """

    def __init__(self, settings: Settings | None = None, *, pipeline: Pipeline | None = None) -> None:
        if pipeline is None:
            pipeline = Pipeline(_printing(Settings.from_environment() if settings is None else settings))
        super().__init__(pipeline)
        try:
            pipeline.start()  # a short process exports for the first time at its end
        except Exception as error:
            _guard.swallowed("starting the writer of rows", error)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand over those of ``spans`` that are ours; success says that all were accepted, not that they are there."""
        try:
            accepted = [self.pipeline.accept(all_rows_of, span) for span in spans if is_ours(span.name)]
        except Exception as error:
            _guard.swallowed("handing over exported spans", error)
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS if all(accepted) else SpanExportResult.FAILURE


def _printing(settings: Settings) -> Settings:
    if settings.dsn or settings.console:
        return settings
    _log.warning("no DSN is set: rows are printed to the standard output, not written")
    return dataclasses.replace(settings, console=True)
