"""The flags in force as OpenFeature tells them: the same on spans, rows and in the log of evaluations.

    configure(flag_provider=OpenFeatureFlags())
    openfeature.api.add_hooks([EvaluationEvents()])

Needs the extra ``openfeature``. The hook that OpenFeature itself offers adds span events, which OpenTelemetry is
retiring; the conventions ask for log events:
https://opentelemetry.io/docs/specs/semconv/feature-flags/feature-flags-events/
"""

from __future__ import annotations

from typing import Any, Final

from openfeature import api
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason
from openfeature.hook import Hook, HookContext, HookHints
from opentelemetry import _logs as logs
from opentelemetry._logs import SeverityNumber

from otel_auto_assign import semconv, values
from otel_auto_assign._guard import swallowed
from otel_auto_assign._version import __version__
from otel_auto_assign.flags import Flags

__all__ = ["EvaluationEvents", "OpenFeatureFlags"]

RETRY_POLICY_V2: Final = "auto-assign-retry-policy-v2"
PLANNER_CACHE: Final = "auto-assign-planner-cache"
_UNKNOWN_REASONS: Final = frozenset({Reason.DEFAULT, Reason.ERROR})


class OpenFeatureFlags:
    """A flag provider for ``configure()``: asks an OpenFeature client for both flags, each with False as default.

    Where nothing but the defaults is known of either flag, the flags' source is ``default``: unset is not off.

    Args:
        client: default: OpenFeature's own, asked for at each call, so that it may be set up later.
        retry_policy_v2: the key of the flag.
        planner_cache: likewise.

    >>> OpenFeatureFlags()()
    Flags(retry_policy_v2=False, planner_cache=False, source='default')
    """

    def __init__(
        self, client: Any = None, *, retry_policy_v2: str = RETRY_POLICY_V2, planner_cache: str = PLANNER_CACHE
    ) -> None:
        self._client = client
        self._keys = (retry_policy_v2, planner_cache)

    def __call__(self) -> Flags:
        """Give the flags in force."""
        client = api.get_client() if self._client is None else self._client
        policy, cache = (client.get_boolean_details(key, default_value=False) for key in self._keys)
        unset = policy.reason in _UNKNOWN_REASONS and cache.reason in _UNKNOWN_REASONS
        source = semconv.FLAGS_BY_DEFAULT if unset else semconv.FLAGS_FROM_PROVIDER
        return Flags(policy.value is True, cache.value is True, source)


class EvaluationEvents(Hook):
    """A hook that emits a ``feature_flag.evaluation`` event for each evaluation, in the context of the current span.

    The targeting key is left out, for it may be a person's; so are values that are no booleans.
    """

    def __init__(self, logger_provider: logs.LoggerProvider | None = None) -> None:
        self._logger = logs.get_logger(semconv.INSTRUMENTATION_NAME, __version__, logger_provider, semconv.SCHEMA_URL)

    def finally_after(self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints) -> None:
        """Emit the event; what goes wrong costs the evaluation nothing."""
        try:
            self._logger.emit(
                event_name=semconv.LOG_FEATURE_FLAG_EVALUATION,
                severity_number=SeverityNumber.INFO,
                attributes=_attributes(hook_context, details),
            )
        except Exception as error:
            swallowed("logging the evaluation of a flag", error)


def _attributes(hook_context: HookContext, details: FlagEvaluationDetails[Any]) -> dict[str, str | bool]:
    provider = hook_context.provider_metadata
    known: dict[str, object] = {
        semconv.FEATURE_FLAG_KEY: details.flag_key,
        semconv.FEATURE_FLAG_RESULT_VARIANT: details.variant,
        semconv.FEATURE_FLAG_RESULT_VALUE: details.value if isinstance(details.value, bool) else None,
        semconv.FEATURE_FLAG_RESULT_REASON: str(details.reason or Reason.UNKNOWN).lower(),
        semconv.FEATURE_FLAG_PROVIDER_NAME: None if provider is None else provider.name,
    }
    if details.reason == Reason.ERROR:
        known[semconv.ERROR_TYPE] = str(details.error_code or semconv.ERROR_TYPE_OTHER).lower()
        known[semconv.FEATURE_FLAG_ERROR_MESSAGE] = details.error_message and values.scrub(details.error_message)
    return {
        name: value if isinstance(value, bool) else str(value) for name, value in known.items() if value is not None
    }
