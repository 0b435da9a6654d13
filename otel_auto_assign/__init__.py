"""OpenTelemetry instrumentation for automatic table assignment.

PYTEST_DONT_REWRITE: our plugin would have pytest warn where this package was imported before it.
"""

from __future__ import annotations

import importlib
import typing

from otel_auto_assign._version import __version__

if typing.TYPE_CHECKING:
    from otel_auto_assign._carrying import carry, continue_from
    from otel_auto_assign._runtime import configure, disable, enable
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
    "continue_from",
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

_HOMES = {
    "_carrying": ("carry", "continue_from"),
    "_runtime": ("configure", "disable", "enable"),
    "decorators": (
        "traced_attempt", "traced_confirm", "traced_inline", "traced_job", "traced_quote", "traced_stage",
    ),
    "flags": ("Flags",),
    "handles": ("current_inline", "current_job"),
    "outcomes": ("Extractor", "Outcome"),
    "reasons": ("add_reason",),
    "settings": ("Settings",),
}  # fmt: skip
"""Module → the names that it gives. They are fetched when first asked for (PEP 562): a process that only makes rows,
and a pytest that loads the plugin, import this package for its names and settings, not for the instrumentation."""


def __getattr__(name: str) -> typing.Any:
    for home, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
            globals()[name] = value  # asked once
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
