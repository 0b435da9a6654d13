"""The circuit: what opens it, what closes it, and that it remembers since when and why."""

from __future__ import annotations

from observability_events.circuit import CLOSED, HALF_OPEN, OPEN, Circuit


def circuit() -> tuple[Circuit, list[float]]:
    """A circuit with a clock that is turned by hand."""
    now = [1000.0]
    return Circuit(lambda: now[0]), now


def test_three_failures_in_a_row_open_it() -> None:
    """One success between them, and they are not in a row."""
    found, now = circuit()
    for text in ("a", "b"):
        found.failed(text)
    found.succeeded()
    for text in ("c", "d"):
        found.failed(text)
        assert found.state == CLOSED
    now[0] += 5
    found.failed("e")
    assert (found.state, found.since, found.last_error) == (OPEN, 1005.0, "e")


def test_it_closes_when_what_waited_is_written() -> None:
    """One batch that gets through half opens it; it is closed when nothing waits on disk any more."""
    found, now = circuit()
    for _ in range(3):
        found.failed("down")
    found.caught_up()
    assert found.open
    now[0] += 1
    found.succeeded()
    found.succeeded()
    assert (found.state, found.since, found.last_error) == (HALF_OPEN, 1001.0, "down")
    now[0] += 1
    found.caught_up()
    assert (found.state, found.since, found.last_error) == (CLOSED, 1002.0, None)


def test_a_failure_while_catching_up_opens_it_again() -> None:
    """A database that fails at the first load has not recovered: one failure is enough."""
    found, _ = circuit()
    for _ in range(3):
        found.failed("down")
    found.succeeded()
    found.failed("again")
    assert found.state == OPEN


def test_an_error_is_forgotten_when_it_is_over() -> None:
    """A failure that did not open the circuit is no last error once a batch was written."""
    found, _ = circuit()
    found.failed("once")
    found.caught_up()
    assert found.last_error == "once"
    found.succeeded()
    found.caught_up()
    assert found.last_error is None
