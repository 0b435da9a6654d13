"""The feature flags in force: read once for each job, inline run and direct quote, and set on every span.

A comparison of "off" with "on" is worth nothing when nobody knows which was which. So each span says what the flags
were and where that is known from: ``env`` (a variable is set), ``provider`` (the application told us) or ``default``
(nothing is set: taken as off, but nobody said so).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from opentelemetry.instrumentation.utils import suppress_instrumentation

from otel_auto_assign import semconv
from otel_auto_assign._guard import SafeLog, swallowed
from otel_auto_assign.settings import ENV_FLAG_PLANNER_CACHE, ENV_FLAG_RETRY_POLICY_V2, parse_bool

_log = SafeLog(__name__)


@dataclass(frozen=True, slots=True)
class Flags:
    """The two optimisations as they are in force; ``planner_cache`` has an effect only under ``retry_policy_v2``.

    >>> Flags(retry_policy_v2=False, planner_cache=True).effective().planner_cache
    False
    """

    retry_policy_v2: bool
    planner_cache: bool
    source: str = semconv.FLAGS_FROM_PROVIDER

    def effective(self) -> Flags:
        """Give the flags with ``planner_cache`` off where it has no effect."""
        if self.planner_cache and not self.retry_policy_v2:
            return Flags(self.retry_policy_v2, planner_cache=False, source=self.source)
        return self


FlagProvider = Callable[[], Flags]
"""Tells the flags of the call that is about to start; called on the caller's thread, so it should be quick."""


def flags_from_environment() -> Flags:
    """Read the host's two environment variables; one that is not set, or set to no boolean, counts as off."""
    return _parsed(os.environ.get(ENV_FLAG_RETRY_POLICY_V2), os.environ.get(ENV_FLAG_PLANNER_CACHE))


@lru_cache(maxsize=64)
def _parsed(retry_policy_v2: str | None, planner_cache: str | None) -> Flags:
    if not retry_policy_v2 and not planner_cache:
        return Flags(retry_policy_v2=False, planner_cache=False, source=semconv.FLAGS_BY_DEFAULT)
    return Flags(
        _boolean(ENV_FLAG_RETRY_POLICY_V2, retry_policy_v2),
        _boolean(ENV_FLAG_PLANNER_CACHE, planner_cache),
        semconv.FLAGS_FROM_ENVIRONMENT,
    ).effective()


def _boolean(variable: str, text: str | None) -> bool:
    if not text:
        return False
    try:
        return parse_bool(text)
    except ValueError as error:
        _log.warning("environment variable %s: %r is not usable (%s); taken as off", variable, text[:80], error)
        return False


def flags_in_force(provider: FlagProvider | None) -> Flags:
    """Ask ``provider``; where there is none, or it fails or gives anything but ``Flags``, the environment."""
    if provider is None:
        return flags_from_environment()
    try:
        with suppress_instrumentation():  # a provider that calls a traced function would ask itself without end
            flags = provider()
        if type(flags) is not Flags:
            raise TypeError(f"expected Flags, got {type(flags).__name__}")
        if not (type(flags.retry_policy_v2) is bool and type(flags.planner_cache) is bool and flags.source in _SOURCES):
            raise TypeError(f"expected two booleans and a source of {sorted(_SOURCES)}, got {flags!r}")
        return flags.effective()
    except Exception as error:
        swallowed("the flag provider", error)
        return flags_from_environment()


_SOURCES: Final = frozenset({semconv.FLAGS_FROM_ENVIRONMENT, semconv.FLAGS_FROM_PROVIDER, semconv.FLAGS_BY_DEFAULT})


@lru_cache(maxsize=64)
def flag_attributes(flags: Flags) -> Mapping[str, bool | str]:
    """Give the span attributes of ``flags``; the mapping is shared, do not change it."""
    return {
        semconv.FLAG_RETRY_POLICY_V2: flags.retry_policy_v2,
        semconv.FLAG_PLANNER_CACHE: flags.planner_cache,
        semconv.FLAG_SOURCE: flags.source,
    }
