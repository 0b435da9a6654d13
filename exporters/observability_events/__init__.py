"""Rows of automatic table assignment in PostgreSQL, made from the spans of ``otel_auto_assign``.

PYTEST_DONT_REWRITE: our plugin would have pytest warn where this package was imported before it.
"""

try:
    from observability_events.accounts import Accounts
    from observability_events.explanation import Explanation, explain
    from observability_events.exporter import ObservabilityEventsExporter
    from observability_events.pipeline import Pipeline
    from observability_events.processor import LogEventsProcessor, ObservabilityEventsProcessor
    from observability_events.sampler import AlwaysSampleAutoAssign, AutoAssignSampler
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"observability_events needs {missing.name}: pip install 'otel-auto-assign[postgres]'", name=missing.name
    ) from None

__all__ = [
    "Accounts",
    "AlwaysSampleAutoAssign",
    "AutoAssignSampler",
    "Explanation",
    "LogEventsProcessor",
    "ObservabilityEventsExporter",
    "ObservabilityEventsProcessor",
    "Pipeline",
    "explain",
]
