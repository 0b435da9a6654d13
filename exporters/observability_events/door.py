"""What exporter and processors have in common: a pipeline behind them, whose faults do not reach the SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_auto_assign import _guard

if TYPE_CHECKING:
    from observability_events.pipeline import Pipeline

MILLISECONDS: Final = 1_000


class Door:
    """Flushes and shuts down the pipeline to which it leads."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Write what was handed over; give whether all of it was settled in time."""
        try:
            return self.pipeline.flush(timeout_millis / MILLISECONDS)
        except Exception as error:
            _guard.swallowed("flushing the rows", error)
            return False

    def shutdown(self) -> None:
        """Write what was handed over, for ``settings.shutdown_timeout`` at most, and accept nothing more."""
        try:
            self.pipeline.shutdown()
        except Exception as error:
            _guard.swallowed("shutting the rows' pipeline down", error)
