"""OpenTelemetry instrumentation for automatic table assignment."""

from otel_auto_assign._carrying import carry
from otel_auto_assign._runtime import configure, disable, enable
from otel_auto_assign._version import __version__
from otel_auto_assign.decorators import (
    traced_attempt,
    traced_confirm,
    traced_inline,
    traced_job,
    traced_quote,
    traced_stage,
)
from otel_auto_assign.flags import Flags
from otel_auto_assign.handles import current_inline, current_job
from otel_auto_assign.outcomes import Extractor, Outcome
from otel_auto_assign.reasons import add_reason
from otel_auto_assign.settings import Settings

__all__ = [
    "Extractor",
    "Flags",
    "Outcome",
    "Settings",
    "__version__",
    "add_reason",
    "carry",
    "configure",
    "current_inline",
    "current_job",
    "disable",
    "enable",
    "traced_attempt",
    "traced_confirm",
    "traced_inline",
    "traced_job",
    "traced_quote",
    "traced_stage",
]
