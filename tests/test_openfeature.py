"""Tests of otel_auto_assign.openfeature, with OpenFeature's own in-memory provider."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from opentelemetry._logs import Logger
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs import export as exports

from otel_auto_assign import Flags, semconv, traced_job, traced_quote
from otel_auto_assign.openfeature import EvaluationEvents, OpenFeatureFlags
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Iterator

POLICY, CACHE = "auto-assign-retry-policy-v2", "auto-assign-planner-cache"


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    """Leave OpenFeature as it was found."""
    yield
    api.clear_providers()
    api.clear_hooks()


def provide(**flags: bool) -> None:
    """Have OpenFeature know flags; underscores stand for hyphens."""
    known = {
        key.replace("_", "-"): InMemoryFlag("on" if on else "off", {"on": True, "off": False})
        for key, on in flags.items()
    }
    set_provider = getattr(api, "set_provider_and_wait", api.set_provider)  # older ones wait by themselves
    set_provider(InMemoryProvider(known))


@pytest.mark.parametrize(
    ("known", "flags"),
    [
        ({}, Flags(False, False, "default")),
        ({POLICY: True}, Flags(True, False, "provider")),
        ({POLICY: False}, Flags(False, False, "provider")),
        ({POLICY: True, CACHE: True}, Flags(True, True, "provider")),
    ],
)
def test_the_flags_are_those_of_openfeature(known: dict[str, bool], flags: Flags) -> None:
    """Both are asked for; where neither is known, they are defaults, and said to be."""
    provide(**{key.replace("-", "_"): on for key, on in known.items()})
    assert OpenFeatureFlags()() == flags


def test_without_a_provider_they_are_defaults() -> None:
    """OpenFeature without any provider knows nothing."""
    assert OpenFeatureFlags()() == Flags(False, False, "default")


def test_other_keys_and_another_client() -> None:
    """A team that names its flags otherwise says so."""
    provide(policy=True, cache=False)
    assert OpenFeatureFlags(api.get_client(), retry_policy_v2="policy", planner_cache="cache")().retry_policy_v2


def test_the_same_flags_on_spans_and_rows() -> None:
    """A job's spans and rows carry what OpenFeature told at its start."""
    provide(auto_assign_retry_policy_v2=True, auto_assign_planner_cache=True)
    with Recorder(flags=OpenFeatureFlags()) as recorder:
        with traced_job(), traced_quote():
            pass
        flags = {"retry_policy_v2": True, "planner_cache": True, "source": "provider"}
        assert all(row.context["flags"] == flags for row in recorder.rows)
        assert recorder.one("quote")["flags.planner_cache"] is True


class _Kept(exports.SimpleLogRecordProcessor):
    def __init__(self) -> None:
        self.records: list[Any] = []

    def on_emit(self, log_record: Any) -> None:
        self.records.append(log_record.log_record)


@pytest.fixture
def events() -> list[Any]:
    """What the hook emits."""
    if "event_name" not in inspect.signature(Logger.emit).parameters:
        pytest.skip("this version of opentelemetry-api cannot emit events")
    kept = _Kept()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(kept)
    api.add_hooks([EvaluationEvents(provider)])
    return kept.records


def test_each_evaluation_is_an_event(events: list[Any]) -> None:
    """Key, variant, value, reason and provider, and of a flag that is not there the kind of error; no targeting key."""
    provide(auto_assign_retry_policy_v2=True)
    OpenFeatureFlags()()
    good, bad = events

    assert good.event_name == bad.event_name == "feature_flag.evaluation"
    assert dict(good.attributes) == {
        semconv.FEATURE_FLAG_KEY: POLICY,
        semconv.FEATURE_FLAG_RESULT_VARIANT: "on",
        semconv.FEATURE_FLAG_RESULT_VALUE: True,
        semconv.FEATURE_FLAG_RESULT_REASON: "static",
        semconv.FEATURE_FLAG_PROVIDER_NAME: "In-Memory Provider",
    }
    assert bad.attributes[semconv.ERROR_TYPE] == "flag_not_found"
    assert CACHE in bad.attributes[semconv.FEATURE_FLAG_ERROR_MESSAGE]


def test_what_may_be_a_persons_is_in_no_event(events: list[Any]) -> None:
    """Neither the targeting key nor a value that is no boolean; an address in an error's text is scrubbed."""
    set_provider = getattr(api, "set_provider_and_wait", api.set_provider)
    set_provider(InMemoryProvider({"greeting": InMemoryFlag("on", {"on": "Hello, Ann"})}))
    whoever = EvaluationContext("ann@example.com")
    client = api.get_client()
    assert client.get_string_value("greeting", "", whoever) == "Hello, Ann"
    client.get_boolean_value("of-ann@example.com", default_value=False, evaluation_context=whoever)
    found, missing = events

    assert semconv.FEATURE_FLAG_RESULT_VALUE not in found.attributes
    assert "Ann" not in str(dict(found.attributes))
    assert "[e-mail]" in missing.attributes[semconv.FEATURE_FLAG_ERROR_MESSAGE]
