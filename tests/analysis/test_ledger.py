"""The gate's ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from otel_auto_assign.analysis.ledger import (
    LedgerError,
    Look,
    digest,
    frozen,
    is_final,
    read_ledger,
    started,
    tampering,
)
from otel_auto_assign.analysis.plans import Stage, Unit
from tests.analysis.cohorts import lognormal

START = datetime(2026, 1, 5, tzinfo=UTC)
STAGE = Stage("pilot", Unit.RESTAURANT_DAY, 0.5, 14)
DUE = START + timedelta(days=14)
EARLY = Look("pilot", START + timedelta(days=3), START, DUE, False, "plan", "data", "HOLD", versions={"scipy": "1.14"})
FINAL = replace(EARLY, as_of=DUE, final=True, verdict="PASS")


def test_a_look_is_read_back_as_it_was_written() -> None:
    """One line each; empty lines and keys of a later version do no harm."""
    later = json.dumps(json.loads(FINAL.line()) | {"new": 1})
    assert read_ledger([EARLY.line(), "\n", later]) == (EARLY, FINAL)
    assert EARLY.line().count("\n") == 1


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "3",
        "{}",
        EARLY.line().replace("2026-01-05T", "yesterday "),
        EARLY.line().replace("+00:00", ""),
        EARLY.line().replace("false", '"no"'),
        EARLY.line()[:-20],
    ],
)
def test_a_line_that_is_no_look_is_refused(line: str) -> None:
    """With its number: a ledger that cannot be read must not look like an empty one."""
    with pytest.raises(LedgerError, match="line 2 of the ledger is not a look that the gate wrote"):
        read_ledger([EARLY.line(), line])


def test_a_stage_starts_as_planned_or_when_it_is_first_asked() -> None:
    """What the first look wrote down stays."""
    now = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert started(replace(STAGE, start=START), [EARLY], now) == START
    assert started(STAGE, [EARLY, replace(EARLY, stage="other", start=START - timedelta(days=9))], now) == START
    assert started(STAGE, [], now) == datetime(2026, 3, 1, tzinfo=UTC)
    assert started(STAGE, [], now).tzinfo is UTC


def test_what_the_first_look_fixed_stays() -> None:
    """A later baseline moves nothing."""
    first, later = replace(EARLY, frozen={"attempts p95": 6.0}), replace(EARLY, frozen={"attempts p95": 7.0})
    assert frozen(STAGE, read_ledger([first.line(), later.line()])) == {"attempts p95": 6.0}
    assert frozen(STAGE, [EARLY, later]) == {}
    assert frozen(STAGE, [replace(later, stage="other")]) is None


def test_a_moved_date_is_seen() -> None:
    """Longer, shorter, or begun again: the date was fixed before the data."""
    for stage, start in ((replace(STAGE, days=15), START), (STAGE, START + timedelta(days=1))):
        (sentence,) = tampering(stage, [EARLY], plan="plan", start=start)
        assert sentence.startswith(
            "the date of the look was 2026-01-19 00:00 on 2026-01-08 00:00, now it is 2026-01-20"
        )


def test_a_changed_plan_is_seen() -> None:
    """Whatever was changed in it, once a look at the stage went by it; looks at other stages do not bind."""
    (sentence,) = tampering(STAGE, [EARLY], plan="other", start=START)
    assert sentence == "the plan was changed after the gate looked on 2026-01-08 00:00: plan became other"
    assert tampering(STAGE, [EARLY], plan="plan", start=START) == ()
    assert tampering(STAGE, [], plan="other", start=START) == ()
    assert tampering(STAGE, [replace(EARLY, stage="staging")], plan="other", start=START) == ()


def test_there_is_one_look() -> None:
    """Not before its date, on it or later once, and not again."""
    assert not is_final(STAGE, [], start=START, as_of=DUE - timedelta(seconds=1))
    assert is_final(STAGE, [EARLY], start=START, as_of=DUE)
    assert is_final(STAGE, [EARLY, replace(FINAL, stage="other")], start=START, as_of=DUE + timedelta(days=2))
    assert not is_final(STAGE, [EARLY, FINAL], start=START, as_of=DUE + timedelta(days=2))


def test_the_digest_is_of_the_data() -> None:
    """The same samples give the same one, other values or sides another."""
    one, other = lognormal(1), lognormal(2)
    assert digest({"a": one}, {"a": other}) == digest({"a": lognormal(1)}, {"a": lognormal(2)})
    digests = {
        digest({"a": one}, {"a": other}), digest({"a": other}, {"a": one}), digest({"b": one}, {"a": other}),
        digest({"a": one}, {}), digest({"a": one.cut(900.0)}, {"a": other}),
    }  # fmt: skip
    assert len(digests) == 5
