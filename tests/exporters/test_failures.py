"""Failures are told apart by what they are."""

from __future__ import annotations

import psycopg
import pytest

from observability_events.failures import Action, DeadlineError, TableUnfitError, action

EXPECTED = {
    Action.RECONNECT: "08006 08P01 25006 57P01 57P02 57P03 57P05 58030",
    Action.BACK_OFF: "40001 40P01 53100 53200 53300",
    Action.SPLIT: "55P03 57014",
    Action.ISOLATE: "22001 22021 22P02 22P05 23502 23503 23505 23514 21000 44000 54000 P0001 38000 39000",
    Action.HOLD: "42P01 42703 42501 42804 428C9 3D000 3F000 0A000 28000 28P01 55000",
    Action.DOUBT: "XX000 XX001 F0000 HV000",
}


@pytest.mark.parametrize(
    ("state", "expected"), [(state, wanted) for wanted, states in EXPECTED.items() for state in states.split()]
)
def test_sqlstates(state: str, expected: Action) -> None:
    """Every SQLSTATE of the design's list asks for what the design says; unknown ones leave a doubt."""
    try:
        known = psycopg.errors.lookup(state)
    except KeyError:
        known = type("Unknown", (psycopg.Error,), {"sqlstate": state})
    assert action(known("text")) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.OperationalError("connection refused"), Action.RECONNECT),
        (psycopg.InterfaceError("the connection is closed"), Action.RECONNECT),
        (DeadlineError("late"), Action.RECONNECT),
        (psycopg.DataError("nul"), Action.ISOLATE),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogate"), Action.ISOLATE),
        (TableUnfitError("no table"), Action.HOLD),
        (RuntimeError("whatever"), Action.DOUBT),
    ],
)
def test_failures_without_an_sqlstate(error: Exception, expected: Action) -> None:
    """Those of the client and of connecting have none."""
    assert action(error) is expected
