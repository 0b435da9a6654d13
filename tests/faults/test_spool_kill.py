"""SIGKILL at every step: with durability ``process`` every accepted row is in the table in the end, once."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.exporters.support import count, until
from tests.faults.process_child import Child, assert_no_row_is_lost, recover
from tests.faults.spool_folder import files, ids_on_disk

if TYPE_CHECKING:
    from tests.faults.proxy import Proxy
    from tests.postgres import Connection

NOWHERE = "host=/no/such/folder dbname=postgres"


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["process", "power"])
@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM], ids=lambda each: each.name)
def test_rows_in_the_buffer(conn: Connection, dsn: str, durability: str, deadly: signal.Signals) -> None:
    """Killed with rows that nobody has tried to write: the next process writes them, and leaves nothing behind.

    SIGTERM without a handler ends Python as SIGKILL does.
    """
    with Child(dsn, "give(200); say('given'); time.sleep(60)", durability=durability, schedule_delay=60.0) as child:
        child.says("given")
        child.process.send_signal(deadly)
        assert child.ends() == -deadly
        assert len(child.accepted) == 200
        assert ids_on_disk() == child.accepted
        assert count(conn) == 0
        accounts = recover(dsn)
        assert (accounts.adopted, accounts.committed, accounts.already_present) == (200, 200, 0)
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 200
    assert files() == set()


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(
    "step",
    [
        "spool.os.write = kill",  # before the spool write
        "write = os.write; spool.os.write = lambda to, data: (write(to, data[:len(data) // 2]), kill())",  # in it
        "write = os.write; spool.os.write = lambda to, data: (write(to, data), kill())",  # after it
    ],
    ids=["before", "in", "after"],
)
def test_at_the_spool_write(conn: Connection, dsn: str, step: str) -> None:
    """Killed before, in or after the write of one record: those before it are written, and a torn one is no trouble."""
    program = f"""
        import types
        give(50)
        spool.os = types.SimpleNamespace(**vars(os))
        {step}
        pipeline.accept(rows_of, span())
    """
    with Child(dsn, program, durability="process", schedule_delay=60.0) as child:
        child.was_killed()
        assert len(child.accepted) == 50
        accounts = recover(dsn)
        assert accounts.committed == accounts.adopted == (51 if "data)," in step else 50)
        assert accounts.dropped == {}
        assert_no_row_is_lost(conn, [child])
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_after_the_commit_before_the_answer(conn: Connection, dsn: str, proxy: Proxy) -> None:
    """Killed when the server has committed and its answer is on the way: written once more, they are there once."""
    program = """
        give(1)
        assert pipeline.flush(20)
        say('connected'); sys.stdin.readline()
        give(30); say('given'); time.sleep(60)
    """
    with Child(proxy.dsn, program, durability="process", batch_size=500) as child:
        child.says("connected")
        proxy.down.passing.clear()
        child.go()
        child.says("given")
        until(lambda: count(conn) > 1)
        child.kill()
        proxy.down.passing.set()
        assert len(child.accepted) == 31
        accounts = recover(proxy.dsn)
        assert accounts.already_present > 0
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 31
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_after_the_commit_before_the_segment_goes(conn: Connection, dsn: str) -> None:
    """Killed when all is committed and its file still there: all of it is there already."""
    with Child(dsn, "spool.let_go = kill; give(30); time.sleep(60)", durability="process") as child:
        child.was_killed()
        assert count(conn) == 30
        accounts = recover(dsn)
        assert (accounts.adopted, accounts.already_present) == (30, 30)
        assert_no_row_is_lost(conn, [child])
    assert count(conn) == 30
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_in_the_middle_of_recovery(conn: Connection, dsn: str) -> None:
    """The one that adopts is killed after its first batch, twice: the third has the rest, and nothing is twice."""
    with Child(dsn, "give(300); say('given'); time.sleep(60)", durability="process", schedule_delay=60.0) as first:
        first.says("given")
        first.kill()
        insert = """
            insert = postgres.PostgresWriter.insert
            postgres.PostgresWriter.insert = lambda self, rows: (insert(self, rows), kill())
            pipeline.catch_up(20)
        """
        for written in (100, 100):
            with Child(dsn, insert, batch_size=100, catch_up_rate=1e6) as second:
                second.was_killed()
            assert count(conn) == written
        assert recover(dsn).already_present == 100
        assert_no_row_is_lost(conn, [first])
    assert count(conn) == 300
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_in_memory_what_was_spilled_survives(conn: Connection, dsn: str, proxy: Proxy) -> None:
    """With `memory`, once the circuit is open all is on disk, the batch that is tried again included, and survives."""
    program = """
        give(50)
        wait_for(lambda: pipeline._writing.circuit.open)
        give(100)
        wait_for(lambda: pipeline.accounts().pending_disk == 100)
        say('spilled'); time.sleep(60)
    """
    proxy.refuse()
    with Child(proxy.dsn, program, batch_size=60) as child:
        child.says("spilled")
        child.kill()
        assert len(child.accepted) == 150
        assert ids_on_disk() == child.accepted
    proxy.accept()
    recover(proxy.dsn)
    assert count(conn) == 150
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_two_processes_on_one_spool(conn: Connection, dsn: str) -> None:
    """Each has its own segments; the one that is killed loses nothing, and the one that lives is left alone."""
    program = "give(100); say('given'); sys.stdin.readline(); assert pipeline.flush(20); say('done'); time.sleep(60)"
    values = {"durability": "process", "schedule_delay": 60.0}
    with Child(dsn, program, **values) as one, Child(dsn, program, **values) as other:
        one.says("given")
        other.says("given")
        one.kill()
        assert recover(dsn).adopted == 100
        assert count(conn) == 100
        other.go()
        other.says("done")
        assert_no_row_is_lost(conn, [one, other])
        assert count(conn) == 200


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize("durability", ["memory", "process"])
def test_preloaded_workers_write_their_own_rows(conn: Connection, dsn: str, durability: str) -> None:
    """A master with rows and a connection of its own forks workers, as gunicorn --preload does, and ends last.

    Workers leave by sys.exit from the handler of SIGTERM; one that is killed leaves what is on disk.
    """
    program = """
        give(30)
        assert pipeline.flush(20)
        give(20)
        workers = []
        for number in range(3):
            worker = os.fork()
            if worker == 0:
                signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
                give(10)
                say(f'worker {number} has given')
                time.sleep(60)
            workers.append(worker)
        sys.stdin.readline()
        os.kill(workers[0], signal.SIGKILL)
        for worker in workers[1:]:
            os.kill(worker, signal.SIGTERM)
        assert [os.waitpid(worker, 0)[1] for worker in workers] == [9, 0, 0]
        say(f'master has {pipeline.accounts().committed}')
    """
    with Child(dsn, program, durability=durability, schedule_delay=60.0) as child:
        for number in range(3):
            child.says(f"worker {number} has given")
        assert count(conn) == 30
        child.go()
        child.says("master has 30")
        assert child.ends() == 0, child.log()
        assert len(child.accepted) == 80
        assert count(conn) == 70  # all but the killed one's
        assert recover(dsn).adopted == (10 if durability == "process" else 0)
        assert count(conn) == (80 if durability == "process" else 70)
    assert files() == set()


@pytest.mark.usefixtures("events_table")
def test_a_fork_leaves_what_waits_to_its_parent(conn: Connection, dsn: str) -> None:
    """The owner is killed while its child lives: the parent's rows are adopted, the child writes its own, all once.

    The child has looked for dead owners by then; else it may be the one that adopts them.
    """
    program = """
        give(50)
        if os.fork() == 0:
            give(20)
            wait_for(lambda: pipeline._writing.caught_up)
            say('child given')
            sys.stdin.readline()
            assert pipeline.flush(20)
            assert pipeline.accounts().committed == 20
            say('child done')
            os._exit(0)
        say('parent given')
        time.sleep(60)
    """
    with Child(dsn, program, durability="process", schedule_delay=60.0) as child:
        child.says("parent given")
        child.says("child given")
        child.process.kill()
        child.process.wait()
        assert recover(dsn).adopted == 50
        assert count(conn) == 50
        child.go()
        child.says("child done")
        assert_no_row_is_lost(conn, [child])
        assert len(child.accepted) == count(conn) == 70
