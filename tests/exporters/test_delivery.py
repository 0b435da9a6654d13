"""What becomes of rows that cannot be written at once, on a real table."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

import psycopg
import pytest

from observability_events import dangling
from observability_events.accounts import Ledger
from observability_events.complaints import LINES_AT_ONCE, SECONDS_A_LINE
from observability_events.delivery import BLOCKED_RETRY_SECONDS, LOCK_FAILURES, Delivery
from observability_events.postgres import PostgresWriter
from observability_events.refusals import Refusals
from tests.exporters.support import add_parent, count, locked, read, row, settings
from tests.postgres import Connection, create_events_table, insert_only_role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from observability_events.rows import Row
    from observability_events.wire import EncodedRow


class Run:
    """A delivery with a clock that is turned by hand; it takes every wait that it is asked for."""

    def __init__(self, dsn: str) -> None:
        self.statements = 0
        self.broken = ""
        self.operations: list[tuple[float, str | None]] = []
        self.time = 0.0
        self.refused: list[tuple[Row, str]] = []
        self.ledger = Ledger()
        self.writer = PostgresWriter(settings(dsn))
        self.delivery = Delivery(
            self,
            self.ledger,
            Refusals(self.ledger, self.remember),
            on_operation=lambda *told: self.operations.append(told),
            clock=lambda: self.time,
            chance=lambda: 0.5,
        )
        self.dangling = self.writer.dangling
        self.told = self.writer.told
        self.disconnect = self.writer.disconnect
        self.abort = self.writer.abort
        self.meanwhile = self.writer.meanwhile

    def remember(self, row: Row, reason: str, sqlstate: str, text: str) -> bool:
        """Remember what was refused, and keep nothing."""
        self.refused.append((row, sqlstate))
        return False

    def insert(self, rows: Sequence[EncodedRow], /) -> int:
        """Count the statements."""
        self.statements += 1
        if self.broken:
            raise psycopg.OperationalError(self.broken)
        return self.writer.insert(rows)

    def give(self, *rows: Row) -> None:
        """Put a batch in hand."""
        with self.ledger.lock:
            self.ledger.taken(len(rows))
        self.delivery.add(self.delivery.encoded(rows))

    def go(self) -> float:
        """Step until there is nothing to do now; give the first wait that is asked for, or 0."""
        while self.delivery.busy:
            wait = self.delivery.step()
            self.delivery.refusals.tend()
            if wait:
                self.time += wait
                return wait
        return 0.0

    @property
    def books(self) -> tuple[int, int, int]:
        """Committed, pending, refused; the identity holds."""
        accounts = self.ledger.accounts(0)
        assert accounts.balanced
        return accounts.committed, accounts.pending, accounts.dropped.get("refused", 0)


@pytest.fixture
def run(dsn: str) -> Iterator[Run]:
    """A delivery into the test's schema."""
    made = Run(dsn)
    yield made
    made.disconnect()


@pytest.mark.parametrize("place", [0, 41, 99])
def test_one_poison_row_costs_only_itself(
    conn: Connection, run: Run, place: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are written, by a few statements; the row is refused, counted, and logged without its data."""
    create_events_table(conn, extra="CHECK (source <> 'poison')")
    rows = [row() for _ in range(100)]
    rows[place] = poison = row(source="poison", context={"who": "guest 42"})

    run.give(*rows)
    assert run.go() == 0.0
    assert run.books == (99, 0, 1)
    assert run.refused == [(poison, "23514")]
    assert poison.id not in {found for (found,) in read(conn)}
    assert run.statements <= 1 + 2 * 7
    assert 'refused for good: new row for relation "observability_events" violates check constraint' in caplog.text
    assert "(SQLSTATE 23514)" in caplog.text
    assert "poison" not in caplog.text
    assert "guest 42" not in caplog.text


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(
    "changes",
    [
        {"severity": "notice"},
        {"context": {"nul": "a\x00b"}},
        {"source": "nul\x00"},
        {"context": {"surrogate": "\ud800"}},
        {"event_type": "\udfff"},
        {"context": {"big": 2**70}},
        {"context": {"odd": object()}},
    ],
    ids=["check", "nul in json", "nul in text", "surrogate in json", "surrogate in text", "70 bits", "no json"],
)
def test_poisons(conn: Connection, run: Run, changes: dict[str, object]) -> None:
    """Whatever it is that makes a row impossible, and whoever notices it, only that row is refused."""
    run.give(row(), row(**changes), row())
    assert run.go() == 0.0
    assert run.books == (2, 0, 1)
    assert count(conn) == 2


@pytest.mark.usefixtures("events_table")
def test_a_policy_refuses_a_row_not_the_role(conn: Connection, dsn: str, schema: str) -> None:
    """A row that row-level security refuses is isolated, though its SQLSTATE is that of a missing privilege."""
    with insert_only_role(dsn, schema) as (role_dsn, role):
        policy = f"AS RESTRICTIVE FOR INSERT TO {role} WITH CHECK (source <> 'x')"
        conn.execute(f"CREATE POLICY no ON observability_events {policy}".encode())
        run = Run(role_dsn)
        run.give(row(), row(source="x"))
        assert run.go() == 0.0
        run.disconnect()
    assert run.books == (1, 0, 1)
    assert [sqlstate for _, sqlstate in run.refused] == ["42501"]


@pytest.mark.usefixtures("events_table")
def test_a_lone_bad_row_is_judged_by_the_next_good_one(run: Run) -> None:
    """As long as no other row was committed it may be the table's fault: the row waits; then it is refused."""
    run.give(row(severity="notice"))
    assert run.go() == 0.0
    assert run.books == (0, 1, 0)

    run.give(row())
    assert run.go() == 0.0
    assert run.books == (1, 0, 1)


@pytest.mark.usefixtures("events_table")
def test_rows_too_few_to_judge_the_table_by_are_spoken_of(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A process that writes one row or two hears that they are refused, and is not left to wait in silence."""
    run.give(row(severity="notice"), row(severity="notice"))
    with caplog.at_level(logging.WARNING):
        run.go()
        assert caplog.records == []
        run.time += 60
        run.go()

    assert run.books == (0, 2, 0)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "rows cannot be written now and wait"
    ]
    assert "refused by the table" in caplog.text


def test_when_all_rows_fail_alike_they_are_held(conn: Connection, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A trigger of the host's that refuses everything is no reason to lose everything: it is said once, rows wait."""
    create_events_table(conn)
    conn.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
    conn.execute("CREATE TRIGGER refuse BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION refuse()")
    caplog.set_level(logging.WARNING)
    run.give(*(row() for _ in range(20)))
    for _ in range(3):
        run.go()
        run.time += 10
    assert run.books == (0, 20, 0)
    assert caplog.text.count("every such row is refused") == 1

    conn.execute("DROP TRIGGER refuse ON observability_events")
    run.go()
    assert run.books == (20, 0, 0)


@pytest.mark.usefixtures("events_table")
def test_a_good_row_among_many_bad_is_found(run: Run) -> None:
    """However many rows at the head are bad, retries come to the good one, and only the bad are refused."""
    run.give(*(row(severity="notice") for _ in range(7)), row())
    for _ in range(3):
        run.go()
        run.time += 10
    assert run.books == (1, 0, 7)


@pytest.mark.usefixtures("events_table")
def test_bad_rows_do_not_stop_the_stream(run: Run) -> None:
    """While many bad rows wait for a judgement, a good row that comes later is written, and judges them."""
    run.give(*(row(severity="notice") for _ in range(5)))
    run.go()
    assert run.books == (0, 5, 0)
    assert not run.delivery.busy
    run.give(row())
    run.go()
    assert run.books == (1, 2, 3)


@pytest.mark.usefixtures("events_table")
def test_dangling_ids_without_select(conn: Connection, dsn: str, schema: str) -> None:
    """Each dangling id is found once, its column emptied and its value kept; the next rows with it pass at once."""
    booking, gone, nowhere = add_parent(conn), uuid.uuid4(), uuid.uuid4()
    with insert_only_role(dsn, schema) as (role_dsn, _):
        run = Run(role_dsn)
        run.give(row(booking_id=gone, restaurant_id=nowhere), *(row(booking_id=booking) for _ in range(30)))
        assert run.go() == 0.0
        before = run.statements
        run.give(row(booking_id=gone), row(booking_id=booking))
        assert run.go() == 0.0
        assert run.statements == before + 1

        run.time += dangling.SECONDS + 1
        conn.execute("INSERT INTO bookings (id) VALUES (%s)", (gone,))
        run.give(row(booking_id=gone))
        assert run.go() == 0.0
        run.disconnect()
    assert run.books == (34, 0, 0)
    found = read(conn, "booking_id, context - 'trigger'")
    assert found.count((None, {"booking_ref": str(gone), "restaurant_ref": str(nowhere)})) == 1
    assert found.count((None, {"booking_ref": str(gone)})) == 1
    assert found.count((booking, {})) == 31
    assert found.count((gone, {})) == 1


@pytest.mark.usefixtures("events_table")
def test_one_locked_booking_does_not_stop_the_stream(conn: Connection, dsn: str, run: Run) -> None:
    """Rows of the booking that the host has locked are set aside, the others are written, and later these too."""
    free, held = add_parent(conn), add_parent(conn)
    rows = [row(booking_id=held if n % 8 == 0 else free) for n in range(24)]
    with locked(dsn, "SELECT FROM bookings WHERE id = %s FOR UPDATE", held):
        run.give(*rows)
        assert run.go() == 0.0
        assert run.books == (21, 3, 0)
        assert not run.delivery.busy
    run.time += 2 * BLOCKED_RETRY_SECONDS
    assert run.go() == 0.0
    assert run.books == (24, 0, 0)


@pytest.mark.usefixtures("events_table")
def test_locked_parents_are_waited_for(conn: Connection, dsn: str, run: Run) -> None:
    """When all rows meet a lock, halving ends after a few statements and all rows wait together."""
    run.give(row())
    assert run.go() == 0.0
    booking = add_parent(conn)
    with locked(dsn, "LOCK TABLE bookings IN EXCLUSIVE MODE"):
        run.give(*(row(booking_id=booking) for _ in range(4096)))
        assert run.go() > 0.0
        assert run.statements == 2 + LOCK_FAILURES
    assert run.books[:2] == (1, 4096)
    for _ in range(3):
        run.go()
        run.time += 10
    assert run.books == (4097, 0, 0)


@pytest.mark.usefixtures("events_table")
def test_a_terminated_connection_loses_nothing(conn: Connection, run: Run) -> None:
    """After the server has ended our process the same rows go through a new connection."""
    run.give(row())
    run.go()
    ours = "application_name = 'otel-auto-assign'"
    conn.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}".encode())
    run.give(row(), row())
    assert run.go() > 0.0
    assert run.go() == 0.0
    assert run.books == (3, 0, 0)


def test_missing_partition_holds_everything(conn: Connection, run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """A row for which no partition exists yet is not lost: partitions are made late rather than never."""
    create_events_table(conn, partitioned=True)
    late = row(created_at=row().created_at.replace(year=2029))
    run.give(late)
    for _ in range(3):
        run.go()
    assert run.books == (0, 1, 0)
    assert caplog.text.count("no partition of relation") == 1
    values = "FROM ('2029-01-01Z') TO ('2030-01-01Z')"
    conn.execute(f"CREATE TABLE p2029 PARTITION OF observability_events FOR VALUES {values}".encode())
    run.go()
    assert run.books == (1, 0, 0)


def test_waits_grow_and_are_spread(run: Run) -> None:
    """Without a table each wait is a random part of a bound that doubles up to ten seconds."""
    run.give(row())
    waits = [run.go() for _ in range(9)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0]  # half of the bound, as the chance is a half


def test_suspects_are_refused_at_the_end(conn: Connection, run: Run) -> None:
    """When no further row can come, a row that failed alone counts as refused, if the table has taken others."""
    create_events_table(conn)
    run.give(row(severity="notice"))
    run.go()
    run.delivery.finish()
    run.delivery.refusals.tend()
    assert run.books == (0, 1, 0)  # perhaps the table is at fault: nothing proves the row guilty
    run.give(row())
    run.go()
    run.give(row(severity="notice"))
    run.go()
    run.delivery.finish()
    run.delivery.refusals.tend()
    assert run.books == (1, 0, 2)


@pytest.mark.usefixtures("events_table")
def test_a_database_that_comes_and_goes_does_not_fill_the_log(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    """An hour of failures every 72 seconds, each with a new text, is not a line each; the last line is true."""
    caplog.set_level(logging.INFO, "observability_events")
    for turn in range(50):
        run.broken = f"server process {turn} has gone"
        run.give(row())
        run.go()
        run.broken = ""
        run.go()
        run.time += 72
    assert run.books == (50, 0, 0)
    lines = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert set(lines) == {"rows cannot be written now and wait", "rows are being written again"}
    assert len(lines) <= 2 * (LINES_AT_ONCE + 3600 / SECONDS_A_LINE + 1)
    assert lines[-1] == "rows are being written again"


@pytest.mark.usefixtures("events_table")
def test_operations_are_timed(run: Run) -> None:
    """A batch, or a part of it, from when it is in hand to its commit, waits included; each failure by itself."""
    run.broken = "away"
    run.give(row(), row())
    waited = run.go()
    run.broken = ""
    run.go()
    assert run.operations == [(0.0, "psycopg.OperationalError"), (waited, None)]
    run.give(row(severity="notice"), row(), row(), row())
    run.go()
    assert sorted(run.operations[2:], key=str) == [(0.0, "23514")] * 3 + [(0.0, None)] * 2
