"""What a sink's sender is told: all rows are safe, or send them again."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from observability_events.dead_letters import DeadLetters
from observability_events.folder import destination, destinations, spool_directory
from observability_events.making import NOT_MADE
from observability_events.replay import replay_letters
from observability_events.rows import all_rows_of
from observability_events.sink import lane as module
from observability_events.sink.writing import NotWrittenError, SinkWriter
from otel_auto_assign import _guard, semconv
from otel_auto_assign._guard import strict
from tests.exporters.support import add_parent, count, locked, read, settings, span, until
from tests.faults.proxy import Proxy
from tests.postgres import Connection, create_events_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.accounts import Accounts
    from observability_events.rows import Row

POISON = "CONSTRAINT no_poison CHECK (context->>'trigger' <> 'poison')"


@contextmanager
def sink(dsn: str, **changes: Any) -> Iterator[SinkWriter]:
    """A writer of one lane; in the end its accounts balance, and it has nothing in hand."""
    writer = SinkWriter(settings(dsn, **({"sink_connections": 1} | changes)))
    writer.start()
    try:
        yield writer
    finally:
        writer.close(5)
    accounts = writer.accounts()
    assert accounts.balanced
    assert accounts.pending == 0
    assert accounts.dropped == {}


def soon(seconds: float = 5.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def quotes(number: int, **attributes: Any) -> list[ReadableSpan]:
    """Spans with a row each."""
    return [span(**attributes) for _ in range(number)]


def ids(spans: Sequence[ReadableSpan]) -> set[UUID]:
    """The ids of their rows."""
    return {row.id for each in spans for row in all_rows_of(each)}


def written(conn: Connection) -> set[UUID]:
    """The ids in the table."""
    return {key for (key,) in read(conn)}


def letters(dsn: str) -> DeadLetters:
    """What was refused."""
    return DeadLetters(destination(settings(dsn)).path)


def settled(accounts: Accounts) -> tuple[int, int, int, int]:
    """Committed, of those already present, dead letters, left with the sender."""
    return accounts.committed, accounts.already_present, accounts.dead_lettered, accounts.handed_over


@pytest.mark.usefixtures("events_table")
def test_it_returns_when_all_is_in_the_table(conn: Connection, dsn: str) -> None:
    """Of more than one batch; what other programs sent has no rows; and once more they are there once."""
    spans = [*quotes(30), span(semconv.SPAN_JOB), span("GET /tables")]
    with sink(dsn, batch_size=7) as writer:
        writer.write(spans, soon())
        assert written(conn) == ids(spans)
        writer.write(spans, soon())
    assert count(conn) == 32
    assert settled(writer.accounts()) == (64, 32, 0, 0)


@pytest.mark.usefixtures("events_table")
def test_a_message_of_many_rows_is_written_in_portions(conn: Connection, dsn: str) -> None:
    """No more rows are made at a time than may be refused at a time."""
    spans = quotes(module.PORTION_ROWS + 10)
    with sink(dsn) as writer:
        made: list[int] = []
        deliver = writer._lanes[0]._deliver

        def seen(deadline: float) -> None:
            made.append(len(writer._lanes[0]._made))
            deliver(deadline)

        writer._lanes[0]._deliver = seen  # type: ignore[method-assign] # a look at what it has in hand
        writer.write(spans, soon(30))
    assert made == [module.PORTION_ROWS, 10]
    assert count(conn) == len(spans)


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("fault", ["refuse", "blackhole"])
def test_without_a_database_it_says_so_in_time(conn: Connection, dsn: str, fault: str) -> None:
    """Nobody listens, or nobody answers: before the deadline the sender knows, and sent again it is written once."""
    spans = quotes(5)
    with Proxy(dsn) as proxy, sink(proxy.dsn, connect_timeout=2.0) as writer:
        until(lambda: writer.ready)
        getattr(proxy, fault)()
        began = time.monotonic()
        with pytest.raises(NotWrittenError):
            writer.write(spans, began + 0.5)
        assert time.monotonic() - began < 2.0
        until(lambda: not writer.ready)
        assert writer.accounts().handed_over == 5
        assert count(conn) == 0
        proxy.release()
        if fault == "refuse":
            proxy.accept()
        writer.write(spans, soon(10))
        assert writer.ready
    assert written(conn) == ids(spans)
    assert settled(writer.accounts())[2:] == (0, 5)


@pytest.mark.usefixtures("events_table")
def test_a_caller_does_not_wait_for_a_lane_that_is_stuck(conn: Connection, dsn: str) -> None:
    """It is in the midst of connecting, which no deadline of ours ends: the caller is told all the same."""
    with Proxy(dsn) as proxy:
        proxy.blackhole()
        with sink(proxy.dsn, connect_timeout=2.0) as writer:
            until(lambda: proxy.connections == 1)
            began = time.monotonic()
            with pytest.raises(NotWrittenError):
                writer.write(quotes(1), began + 0.2)
            assert time.monotonic() - began < 1.5
            proxy.release()
    assert count(conn) == 0


@pytest.mark.usefixtures("events_table")
def test_an_answer_that_got_lost(conn: Connection, dsn: str) -> None:
    """Committed, and the server's word of it never came: not acknowledged; sent again, it is there once."""
    spans = quotes(3)
    with Proxy(dsn) as proxy, sink(proxy.dsn) as writer:
        until(lambda: writer.ready)
        proxy.down.passing.clear()
        with pytest.raises(NotWrittenError):
            writer.write(spans, soon(0.5))
        until(lambda: count(conn) == 3)
        proxy.down.passing.set()
        writer.write(spans, soon(10))
    assert written(conn) == ids(spans)
    assert settled(writer.accounts()) == (3, 3, 0, 3)


def test_a_bad_row_becomes_a_dead_letter_and_the_rest_is_written(conn: Connection, dsn: str) -> None:
    """What the database refuses for good is safe on the disk, with its reason, and the sender is done."""
    create_events_table(conn, extra=POISON)
    good, bad = quotes(20), quotes(2, trigger="poison")
    with sink(dsn) as writer:
        writer.write([bad[0], *good, bad[1]], soon())
    assert written(conn) == ids(good)
    assert {letter.id for letter in letters(dsn).letters()} == ids(bad)
    assert {letter.sqlstate for letter in letters(dsn).letters()} == {"23514"}
    assert settled(writer.accounts()) == (20, 0, 2, 0)
    assert [each.path for each in destinations(spool_directory(settings(dsn)))] == [destination(settings(dsn)).path]


def test_a_bad_row_alone_waits_for_a_good_one(conn: Connection, dsn: str) -> None:
    """It may be the table that refuses everything: only after another row was taken, by whichever lane, is it to blame.

    Then it need not come at the same time: it is remembered that it was suspect.
    """
    create_events_table(conn, extra=POISON)
    bad = quotes(1, trigger="poison")
    with sink(dsn, sink_connections=2) as writer:
        writer.write(quotes(1), soon())
        with pytest.raises(NotWrittenError):
            writer.write(bad, soon(0.5))
        assert letters(dsn).count() == 0
        writer.write(quotes(1), soon())
        for _ in range(2):
            writer.write(bad, soon())
    assert {letter.id for letter in letters(dsn).letters()} == ids(bad)
    assert settled(writer.accounts()) == (2, 0, 2, 1)


def test_a_bad_row_is_proven_bad_by_another_lane(conn: Connection, dsn: str) -> None:
    """While one lane has it in hand, what another one commits is proof enough."""
    create_events_table(conn, extra=POISON)
    with sink(dsn, sink_connections=2) as writer:
        bad = writer.submit(quotes(1, trigger="poison"), soon(20))
        until(lambda: writer.accounts().accepted == 1)
        while not bad.done():
            writer.write(quotes(1), soon())
        bad.result(0)
    assert letters(dsn).count() == 1


def test_many_bad_rows_at_once_are_proven_bad_together(conn: Connection, dsn: str) -> None:
    """One proof is enough for all rows of their kind in the message: not three at a time."""
    create_events_table(conn, extra=POISON)
    bad = quotes(40, trigger="poison")
    with sink(dsn) as writer:
        with pytest.raises(NotWrittenError):
            writer.write(bad, soon(0.5))
        writer.write(quotes(1), soon())
        writer.write(bad, soon())
    assert letters(dsn).count() == 40


def test_a_table_that_refuses_everything_costs_no_row(conn: Connection, dsn: str) -> None:
    """Rows stay with their sender until it is mended, whatever was written before, and none becomes a dead letter."""
    create_events_table(conn)
    spans = quotes(10)
    with sink(dsn) as writer:
        writer.write(quotes(1), soon())
        conn.execute("ALTER TABLE observability_events ADD CONSTRAINT nothing CHECK (false) NOT VALID")
        for _ in range(2):
            with pytest.raises(NotWrittenError):
                writer.write(spans, soon(0.7))
        conn.execute("ALTER TABLE observability_events DROP CONSTRAINT nothing")
        writer.write(spans, soon())
    assert ids(spans) <= written(conn)
    assert letters(dsn).count() == 0


def test_a_bad_row_that_cannot_be_kept_is_not_acknowledged(conn: Connection, dsn: str) -> None:
    """With the dead letters' place taken by something else it stays with its sender, until it can be kept."""
    create_events_table(conn, extra=POISON)
    spans = [*quotes(3), *quotes(1, trigger="poison")]
    with sink(dsn) as writer:
        path = letters(dsn).path
        path.mkdir()
        with pytest.raises(NotWrittenError):
            writer.write(spans, soon(0.5))
        assert count(conn) == 3
        path.rmdir()
        writer.write(spans, soon())
    assert letters(dsn).count() == 1
    assert settled(writer.accounts()) == (6, 3, 1, 1)


@pytest.mark.usefixtures("events_table")
def test_a_span_that_no_rows_can_be_made_of_is_kept(
    conn: Connection, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours: the span is a dead letter, and a better version writes its rows when it is tried again."""

    def broken(given: ReadableSpan) -> list[Row]:
        if given is bad:
            raise LookupError("secret")
        return all_rows_of(given)

    bad, *good = quotes(3)
    monkeypatch.setattr(module, "all_rows_of", broken)
    monkeypatch.setattr("observability_events.records._NAMES", {broken: "all"})
    with strict(False), sink(dsn) as writer:
        writer.write([good[0], bad, good[1]], soon())
    assert _guard.failures == {"making the rows of a span": 1}
    assert written(conn) == ids(good)
    assert settled(writer.accounts()) == (2, 0, 1, 0)
    (letter,) = letters(dsn).letters()
    assert (letter.reason, letter.text, letter.row) == (NOT_MADE, "LookupError", None)

    replayed = replay_letters(settings(dsn))
    assert (replayed.written, replayed.left, replayed.dead_lettered) == (1, 0, 0)
    assert written(conn) == ids([bad, *good])
    assert letters(dsn).count() == 0


@pytest.mark.usefixtures("events_table")
def test_a_lock_of_the_application_holds_only_what_it_must(conn: Connection, dsn: str) -> None:
    """The other rows of the message are written; the statement that waited does not wait on."""
    booking = add_parent(conn)
    spans = [*quotes(5), span(booking__id=str(booking))]
    with sink(dsn) as writer:
        with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", booking):
            with pytest.raises(NotWrittenError):
                writer.write(spans, soon(1.5))
            assert written(conn) == ids(spans[:5])
        writer.write(spans, soon())
    assert written(conn) == ids(spans)


@pytest.mark.usefixtures("events_table")
def test_the_server_knows_it_by_a_name_of_its_own(conn: Connection, dsn: str) -> None:
    """By it `doctor` tells rows made in the process from rows made behind a collector."""
    names = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'otel-auto-assign-sink'"
    with sink(dsn, sink_connections=2):
        until(lambda: conn.execute(names).fetchone() == (2,))
    until(lambda: conn.execute(names).fetchone() == (0,))


@pytest.mark.usefixtures("events_table")
def test_the_end_finishes_what_was_submitted(conn: Connection, dsn: str) -> None:
    """And takes nothing more."""
    with sink(dsn) as writer:
        futures = [writer.submit(quotes(2), soon()) for _ in range(20)]
        writer.close(10)
        assert [future.result(0) for future in futures] == [None] * 20
        with pytest.raises(NotWrittenError, match="shut down"):
            writer.write(quotes(1), soon())
    assert count(conn) == 40


@pytest.mark.usefixtures("events_table")
def test_the_end_does_not_wait_for_ever(conn: Connection, dsn: str) -> None:
    """What a lock holds stays with its sender, who is told so, when the time is up."""
    with locked(dsn, "LOCK observability_events"), sink(dsn) as writer:
        held = writer.submit(quotes(2), soon(60))
        until(lambda: writer.accounts().accepted == 2)
        began = time.monotonic()
        writer.close(0.2)
        assert time.monotonic() - began < 5
        with pytest.raises(NotWrittenError):
            held.result(1)
    assert writer.accounts().handed_over == 2


def test_a_folder_that_cannot_be_made_is_said(dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    """At the start, for it matters only when a row is refused."""
    with sink(dsn, spool_directory="/proc/nowhere"):
        assert "refused rows could not be kept as dead letters now" in caplog.text
