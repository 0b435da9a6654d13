"""RQ's instrumentation, turned on: it has no entry point, so the worker's settings do it (``rq worker -c``)."""

from __future__ import annotations

from opentelemetry_instrumentation_rq import RQInstrumentor

RQInstrumentor().instrument()
