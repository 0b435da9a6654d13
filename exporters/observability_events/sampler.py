"""Samplers that keep rows and traces apart: thinning the traces must not thin the rows.

Both stand outermost, around whatever decides about traces: under a ``ParentBased`` they would not be asked for the
children. Both look at the names of our spans only, a foreign span's decision passes through untouched.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.environment_variables import OTEL_TRACES_EXPORTER
from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER_ARG
from opentelemetry.sdk.trace.sampling import (
    DEFAULT_ON,
    Decision,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
)
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.util.types import Attributes

from otel_auto_assign import semconv
from otel_auto_assign._guard import SafeLog

_log = SafeLog(__name__)


class _OurSpans(Sampler):
    """Asks ``root``, and decides otherwise about those of our spans that it decides too little about."""

    _too_little: tuple[Decision, ...]
    _instead: Decision

    def __init__(self, root: Sampler | None = None) -> None:
        self._root = DEFAULT_ON if root is None else root

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        result = self._root.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if name not in semconv.SPANS or result.decision not in self._too_little:
            return result
        # A sampler that drops hands no attributes on: the caller's are needed again, and what the root added to them.
        kept = {**(attributes or {}), **(result.attributes or {})}
        return SamplingResult(self._instead, kept, result.trace_state)

    def get_description(self) -> str:
        return f"{type(self).__name__}{{{self._root.get_description()}}}"


class AutoAssignSampler(_OurSpans):
    """Records, without exporting them, those of our spans that ``root`` would drop (default: the SDK's, every trace).

    A processor then makes rows of all of them, whatever share of the traces is exported.

    >>> from opentelemetry.sdk.trace import TracerProvider
    >>> from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
    >>> provider = TracerProvider(sampler=AutoAssignSampler(ParentBasedTraceIdRatio(0.1)))
    """

    _too_little = (Decision.DROP,)
    _instead = Decision.RECORD_ONLY


class AlwaysSampleAutoAssign(_OurSpans):
    """Samples every span of ours, also below a parent that is not sampled, for rows that are made behind a collector.

    Only what is exported reaches a collector; thin the traces there, after the rows have branched off.
    """

    _too_little = (Decision.DROP, Decision.RECORD_ONLY)
    _instead = Decision.RECORD_AND_SAMPLE


def sampler_from_argument(argument: str | None) -> Sampler:
    """Make the sampler of ``OTEL_TRACES_SAMPLER=auto_assign``, given ``OTEL_TRACES_SAMPLER_ARG``.

    The argument is the share of traces to export; without one, every trace is. A share that is no number from 0 to 1
    is reported in the log and taken as 1.
    """
    if argument is None or not argument.strip():
        return AutoAssignSampler()
    try:
        ratio = float(argument)
        sampler = AutoAssignSampler(ParentBasedTraceIdRatio(ratio))
        if ratio < 1 and "observability_events" in os.environ.get(OTEL_TRACES_EXPORTER, ""):
            _log.warning(
                "%s=observability_events sees sampled spans only: with %s=%s rows will be missing. "
                "Add ObservabilityEventsProcessor to the tracer provider, or sample every trace",
                OTEL_TRACES_EXPORTER,
                OTEL_TRACES_SAMPLER_ARG,
                argument.strip(),
            )
        return sampler
    except ValueError:
        _log.warning("OTEL_TRACES_SAMPLER_ARG: %r is no ratio between 0 and 1; exporting every trace", argument[:80])
        return AutoAssignSampler(ParentBasedTraceIdRatio(1.0))
