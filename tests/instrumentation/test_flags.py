"""The flags in force: where they come from, and that a run reads them once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import Flags, _guard
from tests.instrumentation.planner import HOLD, quote, run_job, whole_job
from tests.instrumentation.recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_flag_provider_that_fails_falls_back_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raising, or giving anything but Flags of booleans."""
    monkeypatch.setenv("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "true")
    monkeypatch.delenv("PLANNER_CACHE_ENABLED", raising=False)

    def raises() -> Flags:
        raise RuntimeError("provider")

    bad: list[Callable[[], Any]] = [raises, lambda: None, lambda: Flags(1, 0), lambda: Flags(True, True, ["x"])]  # type: ignore[arg-type]
    for provider in bad:
        with Recorder(flags=provider) as recording, _guard.strict(False):
            whole_job()
        assert recording.job["flags.source"] == "env"
        assert recording.job["flags.retry_policy_v2"] is True


@pytest.mark.parametrize(
    ("v2", "cache", "expected"),
    [
        (None, None, (False, False, "default")),
        ("", "", (False, False, "default")),
        ("true", None, (True, False, "env")),
        ("1", "on", (True, True, "env")),
        ("false", "true", (False, False, "env")),
        (None, "true", (False, False, "env")),
        ("perhaps", "true", (False, False, "env")),
    ],
)
def test_flags_come_from_the_environment(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, v2: str | None, cache: str | None, expected: Any
) -> None:
    """Unset is not off: the source tells them apart; the cache has an effect only under v2."""
    for name, value in (("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", v2), ("PLANNER_CACHE_ENABLED", cache)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    whole_job()
    for seen in recorder.ended:
        assert (seen["flags.retry_policy_v2"], seen["flags.planner_cache"], seen["flags.source"]) == expected
    assert all(row.context["flags"] == row.context["featureFlags"] for row in recorder.rows)


def test_flags_are_read_once_a_run() -> None:
    """A flag that turns while a job runs does not split its rows."""
    answers = iter([Flags(retry_policy_v2=True, planner_cache=True), Flags(retry_policy_v2=False, planner_cache=False)])
    with Recorder(flags=lambda: next(answers)) as recording:
        whole_job()
    assert {seen["flags.planner_cache"] for seen in recording.ended} == {True}
    assert recording.job["flags.source"] == "provider"


def test_a_flag_provider_that_calls_a_traced_function_asks_itself_once() -> None:
    """Inside it nothing is instrumented."""
    calls = []

    def provider() -> Flags:
        calls.append(quote(HOLD))
        return Flags(retry_policy_v2=True, planner_cache=True)

    with Recorder(flags=provider) as recording:
        run_job(lambda: None)
    assert len(calls) == 1
    assert recording.all("quote") == []
