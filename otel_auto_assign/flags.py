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


_RETRY_POLICY_V2: Final = ENV_FLAG_RETRY_POLICY_V2.encode()
_PLANNER_CACHE: Final = ENV_FLAG_PLANNER_CACHE.encode()
_WINDOWS: Final = os.name == "nt"  # where the environment is held as text


def _from_environment() -> Mapping[str, bool | str]:
    # Looked up in what `os.environ` wraps: it raises and catches for a variable that is not set, as most are not.
    variables: dict[bytes, bytes] | None = getattr(os.environ, "_data", None)
    if variables is None or _WINDOWS:
        return _parsed(os.environ.get(ENV_FLAG_RETRY_POLICY_V2), os.environ.get(ENV_FLAG_PLANNER_CACHE))
    return _parsed(variables.get(_RETRY_POLICY_V2), variables.get(_PLANNER_CACHE))


@lru_cache(maxsize=64)
def _parsed(retry_policy_v2: bytes | str | None, planner_cache: bytes | str | None) -> Mapping[str, bool | str]:
    if not retry_policy_v2 and not planner_cache:
        return _attributes(Flags(retry_policy_v2=False, planner_cache=False, source=semconv.FLAGS_BY_DEFAULT))
    flags = Flags(
        _boolean(ENV_FLAG_RETRY_POLICY_V2, retry_policy_v2),
        _boolean(ENV_FLAG_PLANNER_CACHE, planner_cache),
        semconv.FLAGS_FROM_ENVIRONMENT,
    )
    return _attributes(flags.effective())


def _boolean(variable: str, given: bytes | str | None) -> bool:
    if not given:
        return False
    text = os.fsdecode(given)
    try:
        return parse_bool(text)
    except ValueError as error:
        _log.warning("environment variable %s: %r is not usable (%s); taken as off", variable, text[:80], error)
        return False


def flags_in_force(provider: FlagProvider | None) -> Mapping[str, bool | str]:
    """Give the span attributes of the flags in force; the mapping is shared, do not change it.

    ``provider`` is asked; where there is none, or it fails or gives anything but ``Flags``, the host's two environment
    variables, of which one that is not set, or set to no boolean, counts as off.
    """
    if provider is None:
        return _from_environment()
    try:
        with suppress_instrumentation():  # a provider that calls a traced function would ask itself without end
            flags = provider()
        if type(flags) is not Flags:
            raise TypeError(f"expected Flags, got {type(flags).__name__}")
        if not (type(flags.retry_policy_v2) is bool and type(flags.planner_cache) is bool and flags.source in _SOURCES):
            raise TypeError(f"expected two booleans and a source of {sorted(_SOURCES)}, got {flags!r}")
        return _attributes(flags.effective())
    except Exception as error:
        swallowed("the flag provider", error)
        return _from_environment()


_SOURCES: Final = frozenset({semconv.FLAGS_FROM_ENVIRONMENT, semconv.FLAGS_FROM_PROVIDER, semconv.FLAGS_BY_DEFAULT})


@lru_cache(maxsize=64)
def _attributes(flags: Flags) -> Mapping[str, bool | str]:
    return {
        semconv.FLAG_RETRY_POLICY_V2: flags.retry_policy_v2,
        semconv.FLAG_PLANNER_CACHE: flags.planner_cache,
        semconv.FLAG_SOURCE: flags.source,
    }
