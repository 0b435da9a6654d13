"""Tests of otel_auto_assign.targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_auto_assign._paths import follow, parts_of
from otel_auto_assign.instrumentor import _targets_of
from otel_auto_assign.targets import ConfigurationError, ResultPaths, read_targets, target_from

GOOD = {"call": "a.b.quote", "role": "quote"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("text", "a target is a table, not 'text'"),
        ({"role": "quote"}, "call = None: expected a dotted name such as 'bookings.planner.quote'"),
        ({"call": "quote", "role": "quote"}, "call = 'quote': expected a dotted name"),
        ({"call": "a.b-c", "role": "quote"}, "call = 'a.b-c': expected a dotted name"),
        (
            {"call": "a.b", "role": "qoute"},
            "role = 'qoute': expected one of job, inline, attempt, quote, confirm, ",
        ),
        (GOOD | {"timeout": 3}, "unknown 'timeout': a target of role quote has call, role, arguments, result"),
        (GOOD | {"arguments": {"trigger": "x"}}, "unknown 'trigger': arguments has booking_id, restaurant_id"),
        (GOOD | {"arguments": "x"}, "arguments = 'x': expected a table of paths"),
        (GOOD | {"arguments": {"booking_id": "."}}, "a path into the arguments begins with an argument's name"),
        (GOOD | {"result": {"hold": "a..b"}}, "'a..b' is no path"),
        (GOOD | {"result": {"hold": 7}}, "7 is no path"),
        (GOOD | {"result": {"holds": "a"}}, "unknown 'holds': result has success, hold"),
        ({"call": "a.b", "role": "job", "max_attempts": "3"}, "max_attempts = '3': expected a number"),
        ({"call": "a.b", "role": "job", "max_attempts": True}, "max_attempts = True: expected a number"),
        ({"call": "a.b", "role": "job", "max_attempts": -1}, "must be a whole number, zero or more"),
        ({"call": "a.b", "role": "inline", "timeout": 0}, "must be a number of seconds above zero"),
        ({"call": "a.b", "role": "stage", "threshold": -1}, "must be a number of seconds, zero or more"),
    ],
)
def test_what_is_wrong_is_one_sentence(said: object, sentence: str) -> None:
    """A target that is not usable says what is wrong, and what may stand there."""
    with pytest.raises(ValueError, match=r"(?s).+") as caught:
        target_from(said)
    assert sentence in str(caught.value)


def test_one_bad_target_costs_no_other(tmp_path: Path) -> None:
    """The others are read, and the bad one is named by its number and its call."""
    path = tmp_path / "auto_assign.toml"
    path.write_text(
        '[[targets]]\ncall = "a.b"\nrole = "nonsense"\n'
        '[[targets]]\ncall = "a.c"\nrole = "job"\ntrigger = "cron"\narguments.booking_id = "booking.id"\n'
    )
    targets, wrong = read_targets(path)

    assert [(target.call, target.role) for target in targets] == [("a.c", "job")]
    (line,) = wrong
    assert line == (
        f"{path}: target 1 (a.b) is not traced: role = 'nonsense': "
        "expected one of job, inline, attempt, quote, confirm, stage"
    )


@pytest.mark.parametrize(
    ("name", "page", "sentence"),
    [
        ("auto_assign.toml", "targets = [", "is not TOML"),
        ("auto_assign.toml", "", "has no [[targets]]"),
        ("pyproject.toml", "[[targets]]\ncall = 'a.b'\nrole = 'job'", "has no [[tool.otel_auto_assign.targets]]"),
        ("pyproject.toml", "[tool]\notel_auto_assign = 5", "has no [[tool.otel_auto_assign.targets]]"),
        ("pyproject.toml", "tool = 'otel_auto_assign'", "has no [[tool.otel_auto_assign.targets]]"),
    ],
)
def test_a_file_without_targets_says_so(tmp_path: Path, name: str, page: str, sentence: str) -> None:
    """No TOML, and no targets where they belong, are one sentence with the file's name."""
    path = tmp_path / name
    path.write_text(page)
    with pytest.raises(ConfigurationError, match=r".+") as caught:
        read_targets(path)
    assert sentence in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_stands_beside_the_targets_is_said(tmp_path: Path) -> None:
    """A word that nobody reads is a typing mistake."""
    path = tmp_path / "auto_assign.toml"
    path.write_text('target = 1\n[[targets]]\ncall = "a.b"\nrole = "job"\n')
    assert read_targets(path)[1] == [f"{path}: unknown 'target' beside targets, which nobody reads"]


def test_pyproject_has_them_under_tool(tmp_path: Path) -> None:
    """In pyproject.toml they stand under tool.otel_auto_assign."""
    path = tmp_path / "pyproject.toml"
    path.write_text('[[tool.otel_auto_assign.targets]]\ncall = "a.b:C.d"\nrole = "quote"\n')
    (target,), wrong = read_targets(path)

    assert wrong == []
    assert (target.modules, target.within("a.b")) == (("a.b",), ("C", "d"))


@pytest.mark.parametrize(
    "page",
    [
        '[tool]\notel_auto_assign.targets = [{call = "a.b", role = "quote"}]',
        '[tool."otel_auto_assign"]\ntargets = [{call = "a.b", role = "quote"}]',
        'tool = {otel_auto_assign = {targets = [{call = "a.b", role = "quote"}]}}',
    ],
)
def test_pyproject_is_read_however_toml_spells_it(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the variable, in the working directory."""
    monkeypatch.delenv("OTEL_AUTO_ASSIGN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(page)
    assert [target.call for target in _targets_of(None)] == ["a.b"]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("# see tool.otel_auto_assign in the docs\n[project]", None),
        ("[tool.other]\npackages = ['otel_auto_assign']", None),
        ("[project", None),
        ("[tool.otel_auto_assign]", "pyproject.toml has no [[tool.otel_auto_assign.targets]]"),
        ("[[tool.otel_auto_assign.targets]", "pyproject.toml is not TOML"),
    ],
)
def test_a_pyproject_that_does_not_mean_us_is_not_spoken_of(
    page: str, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A word in a comment, or no TOML, gives no line in the log; a section of ours that is wrong does."""
    monkeypatch.delenv("OTEL_AUTO_ASSIGN_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text(page)
    assert _targets_of(None) == []
    assert [record.getMessage() for record in caplog.records if said is None or said not in record.getMessage()] == []
    assert len(caplog.records) == (said is not None)


def test_a_dotted_name_may_be_in_any_of_its_prefixes() -> None:
    """Where no colon says what the module is, each prefix may be it."""
    target = target_from({"call": "a.b.C.d", "role": "quote"})
    assert target.modules == ("a", "a.b", "a.b.C")
    assert target.within("a.b") == ("C", "d")


class _Raises:
    @property
    def value(self) -> object:
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "path", "found"),
    [
        ({"a": {"b": 1}}, "a.b", 1),
        ({"a": None}, "a.b", None),
        ([{"x": 1}, {"x": 2}], "1.x", 2),
        ([], "0", None),
        (("h", "why"), "1", "why"),
        (5, ".", 5),
        (_Raises(), "value", None),
        (_Raises(), "other", None),
    ],
)
def test_following_a_path(value: Any, path: str, found: Any) -> None:
    """Keys, attributes and positions are followed; what raises, or is not there, is None."""
    assert follow(value, parts_of(path)) == found


def test_paths_come_before_the_default() -> None:
    """What a path leads to replaces what the default extractor found; the rest stays."""
    read = ResultPaths({"hold": ("assignment",), "reason": ("meta", "why")})
    none = read({"assignment": None, "meta": {"why": "no capacity"}, "hold": "h-9", "alternates": 3})
    some = read({"assignment": {"id": "h-1"}})

    assert (none.succeeded(), none.reason, none.alternates) == (False, "no capacity", 3)
    assert (some.succeeded(), some.hold_id, some.reason) == (True, "h-1", None)
