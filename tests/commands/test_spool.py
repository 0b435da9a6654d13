"""``otel-auto-assign spool``: what waits is shown and written, what was refused is shown, tried again and deleted."""

from __future__ import annotations

import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from observability_events import folder
from observability_events.dead_letters import FILE_NAME, DeadLetters
from observability_events.folder import Owner, SegmentFile
from observability_events.overview import looked_at
from otel_auto_assign.cli import app
from otel_auto_assign.commands.output import WIDE_ENOUGH
from otel_auto_assign.commands.spool_text import print_status
from tests.exporters.support import add_parent, count, read, row, settings, until
from tests.exporters.waiting import leave, living
from tests.postgres import create_events_table, insert_only_role
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from observability_events.overview import Overview
    from tests.postgres import Connection

NOWHERE = "host=/no/such/folder dbname=app user=ann password=geheim"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("OTEL_", "SUPABASE", "PG")):
            monkeypatch.delenv(name)


def run(*arguments: str) -> Result:
    """Run the command."""
    done = CliRunner().invoke(app, ["spool", *arguments])
    assert "geheim" not in done.output
    return done


def documents(*arguments: str) -> Any:
    """Run the command with ``--json``, and read what it says."""
    return json.loads(run(*arguments, "--json").stdout)


def letters_of(dsn: str) -> DeadLetters:
    """The dead letters for a DSN's table, in a folder that says what it is for."""
    wanted = settings(dsn)
    found = folder.destination(wanted)
    folder.make(found, wanted)
    return DeadLetters(found.path, dsn=dsn)


# -- status -----------------------------------------------------------------------------------------------------------


def test_nothing_waits() -> None:
    """Without a spool, a database and a DSN there is nothing to show, and all is well."""
    done = run("status")
    assert done.exit_code == 0
    assert done.stdout == f"nothing waits on disk in {os.environ['XDG_STATE_HOME']}/otel-auto-assign\n"
    assert documents("status")["destinations"] == []


def test_what_an_ended_process_left_is_shown() -> None:
    """How much, how old, for which table, and what to do: exit code 10, with no database anywhere."""
    leave(NOWHERE, 5)
    done = run("status")
    assert done.exit_code == 10
    assert "/no/such/folder:5432/app, table observability_events" in done.stdout
    assert "on disk: 5 pieces in 1 segment" in done.stdout
    assert (
        "has ended and left 5 pieces: the next process that starts writes them, or `spool replay` does" in done.stdout
    )
    (found,) = documents("status")["destinations"]
    (owner,) = found["owners"]
    assert (found["host"], found["dbname"], found["pieces"], owner["alive"]) == ("/no/such/folder", "app", 5, False)
    assert [segment["pieces"] for segment in owner["segments"]] == [5]
    assert datetime.now(UTC) - datetime.fromisoformat(owner["segments"][0]["written"]) < timedelta(minutes=1)


def test_a_living_process_is_shown() -> None:
    """Its accounts, the circuit and the last error, while the database is down; its rows need nobody."""
    with living(NOWHERE, 4):

        def says() -> bool:
            owners = [owner for each in documents("status")["destinations"] for owner in each["owners"]]
            return any((owner["status"] or {}).get("circuit") == "open" for owner in owners)

        until(says)
        (found,) = documents("status")["destinations"]
        (owner,) = found["owners"]
        assert owner["alive"]
        assert owner["status"]["accounts"]["accepted"] == 4
        assert owner["status"]["last_error"]
        done = run("status")
        assert done.exit_code == 10
        assert "the circuit is open since" in done.stdout
        assert "has ended" not in done.stdout
    assert "has ended and left 4 pieces" in run("status").stdout


def test_letters_and_quarantine_are_shown() -> None:
    """Each is a remark with what to do, and no remark is made of what is well."""
    letters = letters_of(NOWHERE)
    assert run("status").exit_code == 0
    assert run("status").stdout.endswith("all is well\n")
    letters.add(row(), "refused", "23514", "no")
    aside = letters.path.parent / folder.QUARANTINE
    aside.mkdir()
    (aside / "1-ab.segment").write_bytes(b"?")
    done = run("status")
    assert done.exit_code == 10
    assert "! 1 dead letter: `spool dead-letters` says why" in done.stdout
    assert f"! 1 file that could not be read: see {aside}" in done.stdout


def test_letters_that_cannot_be_read_stop_nothing() -> None:
    """The rest of the status is shown, with the reason."""
    leave(NOWHERE, 2)
    path = folder.destination(settings(NOWHERE)).path / FILE_NAME
    path.write_text("something else " * 1000)
    done = run("status")
    assert done.exit_code == 10
    assert "on disk: 2 pieces" in done.stdout
    assert f"file is not a database: {path}; move it away" in done.stdout
    assert documents("status")["destinations"][0]["dead_letters"] is None


def test_another_directory(tmp_path: Path) -> None:
    """``--directory`` comes before the setting."""
    assert str(tmp_path) in run("status", "--directory", str(tmp_path)).stdout


# -- replay -----------------------------------------------------------------------------------------------------------


def test_what_was_left_is_written(conn: Connection, dsn: str, events_table: str) -> None:
    """Once; a second time there is nothing to do; nothing is left on disk."""
    leave(dsn, 7)
    done = run("replay", "--dsn", dsn)
    assert (done.exit_code, done.stdout) == (0, "what ended processes left: 7 rows written\n")
    assert count(conn) == 7
    done = run("replay", "--dsn", dsn)
    assert (done.exit_code, done.stdout) == (0, "what ended processes left: 0 rows written\n")
    assert run("status").exit_code == 0


def test_rows_that_are_there_already(conn: Connection, dsn: str, events_table: str) -> None:
    """A segment that was written before, as after a crash in the middle, adds no row."""
    leave(dsn, 3)
    found = folder.destination(settings(dsn))
    (kept,) = [each for owner in found.owners() for each in owner.segments]
    content = kept.path.read_bytes()
    assert run("replay", "--dsn", dsn).exit_code == 0
    folder.make(found, settings(dsn))  # it went with the last that was in it
    kept.path.write_bytes(content)
    done = run("replay", "--dsn", dsn)
    assert done.stdout == "what ended processes left: 3 rows written (3 of them were in the table)\n"
    assert count(conn) == 3


def test_a_refused_row_is_a_dead_letter_and_tried_again(conn: Connection, dsn: str, events_table: str) -> None:
    """Refused it is left, listed and tried again; mended, it is written and gone from the list."""
    leave(dsn, 4, "notice")
    done = run("replay", "--dsn", dsn)
    assert done.exit_code == 10
    assert done.stdout == "what ended processes left: 4 rows written, 1 refused: `spool dead-letters` says why\n"
    ((letter,),) = [each["dead_letters"] for each in documents("dead-letters")["destinations"]]
    assert (letter["reason"], letter["sqlstate"], letter["row"]["severity"]) == ("refused", "23514", "notice")

    done = run("replay", "--dead-letters", "--dsn", dsn)
    assert done.exit_code == 10
    assert "dead letters: 0 rows written, 1 refused: `spool dead-letters` says why, 1 left on disk" in done.stdout

    conn.execute("ALTER TABLE observability_events DROP CONSTRAINT observability_events_severity_check")
    done = run("replay", "--dead-letters", "--dsn", dsn)
    assert done.exit_code == 0
    assert "dead letters: 1 row written\n" in done.stdout
    assert documents("dead-letters")["destinations"][0]["dead_letters"] == []
    assert [str(found) for found, severity in read(conn, "id, severity") if severity == "notice"] == [letter["id"]]


def test_the_good_letters_among_bad_ones_are_written(conn: Connection, dsn: str, events_table: str) -> None:
    """Each is judged alone, and a booking that is gone costs no letter; a damaged letter stays."""
    letters = letters_of(dsn)
    good = [row() for _ in range(9)]
    dangling = row(booking_id=uuid.uuid4())
    whole = row(booking_id=add_parent(conn))
    bad = [row(severity="notice"), row(context={"nul": "\0"}), row(context={"surrogate": "\ud800"})]
    damaged = row(context={"mark": "mark-1"})
    for each in (bad[0], *good, dangling, bad[1], whole, bad[2], damaged):
        assert letters.add(each, "refused", "P0001", "a trigger raised")
    letters.path.write_bytes(letters.path.read_bytes().replace(b"mark-1", b"mark-2"))

    done = run("replay", "--dead-letters", "--dsn", dsn)
    assert done.exit_code == 10
    assert documents("replay", "--dead-letters", "--dsn", dsn)["dead_letters"] == {
        "written": 0, "already_present": 0, "dead_lettered": 3, "left": 4, "lost": 0,
    }  # fmt: skip
    assert {found for (found,) in read(conn)} == {each.id for each in (*good, dangling, whole)}
    left = {letter.id: letter.sqlstate for letter in letters.letters()}
    assert left == {bad[0].id: "23514", bad[1].id: "22P05", bad[2].id: "", damaged.id: "P0001"}
    kept = dict(read(conn, "id, context->>'booking_ref'"))
    assert kept[dangling.id] == str(dangling.booking_id)


def test_a_role_that_may_only_insert_can_replay(conn: Connection, dsn: str, schema: str, events_table: str) -> None:
    """It cannot look whether a booking exists: the letter goes in without it, and keeps it in its context."""
    letter = row(booking_id=uuid.uuid4(), restaurant_id=uuid.uuid4())
    with insert_only_role(dsn, schema) as (role_dsn, _):
        assert letters_of(role_dsn).add(letter, "refused", "23514", "no")
        assert run("replay", "--dead-letters", "--dsn", role_dsn).exit_code == 0
    (kept,) = read(conn, "id, booking_id, context->>'booking_ref', context->>'restaurant_ref'")
    assert kept == (letter.id, None, str(letter.booking_id), str(letter.restaurant_id))


def test_what_is_too_old_is_said_to_be_lost(
    conn: Connection, dsn: str, events_table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows older than the setting allows are not written: exit code 20."""
    leave(dsn, 3)
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_AGE", "0.001")
    done = run("replay", "--dsn", dsn)
    assert done.exit_code == 20
    assert "0 rows written, 3 lost: too old" in done.stdout
    assert count(conn) == 0


def test_rows_of_another_table_stay(conn: Connection, dsn: str, events_table: str) -> None:
    """Rows never reach another database or table than the one they were meant for."""
    leave(NOWHERE, 2)
    letters = letters_of(NOWHERE)
    letters.add(row(), "refused", "23514", "no")
    create_events_table(conn, name="others")
    done = run("replay", "--dead-letters", "--dsn", dsn)
    assert done.exit_code == 0
    assert run("replay", "--dead-letters", "--dsn", dsn, "--table", "others").exit_code == 0
    assert (count(conn), count(conn, "others"), letters.count()) == (0, 0, 1)
    assert "left 2 pieces" in run("status").stdout


def test_rows_of_the_living_stay_theirs(conn: Connection, dsn: str) -> None:
    """What a process that lives has on disk is written by that process alone."""
    with living(dsn, 3):  # there is no table yet
        create_events_table(conn, name="later")
        conn.execute("ALTER TABLE later RENAME TO observability_events")
        assert run("replay", "--dsn", dsn).exit_code == 0
        until(lambda: count(conn) == 3)


def test_a_database_that_cannot_be_reached(dsn: str, conn: Connection) -> None:
    """One sentence, exit code 40, no secret, and everything stays where it is."""
    leave(NOWHERE, 2)
    for more in ((), ("--dead-letters",), ("--json",)):
        done = run("replay", "--dsn", NOWHERE, *more)
        assert done.exit_code == 40
        assert done.output.startswith("otel-auto-assign: the database: ")
        assert len(done.output.splitlines()) == 1
    assert "left 2 pieces" in run("status").stdout
    done = run("replay", "--dsn", dsn)
    assert done.exit_code == 40
    assert done.output.startswith("otel-auto-assign: table observability_events does not exist")


def test_a_replay_needs_a_database() -> None:
    """Without a DSN it is wrong usage."""
    assert run("replay").exit_code == 2


# -- dead letters -----------------------------------------------------------------------------------------------------


def test_letters_are_listed() -> None:
    """With reason, SQLSTATE, time and text; a terminal is not told anything by what a row holds."""
    letters = letters_of(NOWHERE)
    assert run("dead-letters").stdout == "no dead letters\n"
    first, second = row(), row(event_type="auto_assign.\x1b[2Jquote\udfff")
    letters.add(first, "refused", "23514", "violates [bold]check[/bold] \x1b[31mred")
    letters.add(second, "not_encodable", "", "TypeError")
    done = run("dead-letters")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "/no/such/folder:5432/app, table observability_events: 2 dead letters"
    assert lines[1].split() == ["id", "refused", "event", "type", "reason", "SQLSTATE", "what", "was", "said"]
    assert lines[2].split()[0] == str(first.id)
    assert "refused        23514     violates [bold]check[/bold] \ufffd[31mred" in lines[2]
    assert lines[3].split()[3:] == ["auto_assign.\ufffd[2Jquote\ufffd", "not_encodable", "-", "TypeError"]
    assert "\x1b" not in done.stdout


def test_letters_as_json() -> None:
    """Everything of each row, those values too that the database did not take."""
    letters = letters_of(NOWHERE)
    given = row(context={"surrogate": "\ud800", "big": 2**70}, booking_id=uuid.uuid4())
    letters.add(given, "not_encodable", "", "TypeError")
    ((letter,),) = [each["dead_letters"] for each in documents("dead-letters")["destinations"]]
    assert letter["id"] == str(given.id)
    assert letter["sqlstate"] is None
    assert letter["row"]["context"] == given.context
    assert letter["row"]["booking_id"] == str(given.booking_id)
    assert datetime.fromisoformat(letter["row"]["created_at"]) == given.created_at


def test_letters_are_deleted() -> None:
    """Those with these ids, or those refused before a time, and no others."""
    letters = letters_of(NOWHERE)
    rows = [row() for _ in range(5)]
    for day, each in enumerate(rows, 1):
        letters._clock = lambda day=day: datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()  # type: ignore[misc]
        letters.add(each, "refused", "23514", "no")

    def left() -> list[int]:
        return [rows.index(letter.row) for letter in letters.letters() if letter.row is not None]

    done = run("dead-letters", "--delete", str(rows[2].id), "--delete", str(uuid.uuid4()))
    assert (done.exit_code, done.stdout) == (0, "1 dead letter deleted\n")
    assert left() == [0, 1, 3, 4]
    assert run("dead-letters", "--before", "2026-11-02").stdout == "1 dead letter deleted\n"
    assert left() == [1, 3, 4]
    assert run("dead-letters", "--before", "2026-11-04T12:00:01").stdout == "2 dead letters deleted\n"
    assert left() == [4]
    assert run("dead-letters", "--delete", "nonsense").exit_code == 2


def test_a_file_that_cannot_be_read_is_named() -> None:
    """One sentence, with what to do."""
    letters = letters_of(NOWHERE)
    letters.path.write_text("something else " * 1000)
    done = run("dead-letters")
    assert done.exit_code == 40
    assert f"{letters.path}; move it away" in done.output


def test_the_group_alone_is_wrong_usage() -> None:
    """It shows its commands."""
    done = run()
    assert done.exit_code == 2
    assert all(name in done.output for name in ("status", "replay", "dead-letters"))


# -- what people read -------------------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 25, 2, 58, tzinfo=UTC)


def _said(seconds: int, circuit: str, error: str | None, **accounts: Any) -> dict[str, Any]:
    given = dict.fromkeys(
        ("accepted", "adopted", "committed", "already_present", "pending_memory", "pending_disk", "handed_over",
         "dead_lettered"), 0,
    )  # fmt: skip
    return {
        "circuit": circuit,
        "since": "2026-11-25T02:51:07Z",
        "time": (NOW - timedelta(seconds=seconds)).isoformat(),
        "last_error": error,
        "accounts": {**given, "dropped": {}, **accounts},
    }


def a_bad_night(path: Path) -> Overview:
    """The database has been away for seven minutes, and a process has died meanwhile."""
    written = (NOW - timedelta(minutes=6)).timestamp()
    refused = 'connection to server at "10.0.0.7", port 5432 failed: Connection refused'
    alive = _said(1, "open", refused, accepted=8204, committed=5121, pending_memory=500, pending_disk=2581,
                  dead_lettered=2)  # fmt: skip
    ended = _said(241, "open", refused, accepted=977, committed=611, pending_memory=54, pending_disk=312)
    mine = SegmentFile(path / "4711-1f2e3d4c-000001.segment", 2_301_952, written, 2581)
    left = SegmentFile(path / "4712-9a8b7c6d-000001.segment", 279_040, written, 312)
    owners = (Owner("4711-1f2e3d4c", True, (mine,), alive), Owner("4712-9a8b7c6d", False, (left,), ended))
    return looked_at(
        path, {"host": "db.example", "port": "5432", "dbname": "bookings", "table": "observability_events"}, owners,
        dead_letters=2,
    )  # fmt: skip


def test_the_readme_shows_a_bad_night() -> None:
    """What the README says that the command prints is what it prints."""
    shown = StringIO()
    console = Console(file=shown, width=WIDE_ENOUGH, markup=False, highlight=False)
    path = Path("/var/lib/bookings/otel-auto-assign/4f46ecd45692f20c")
    print_status(console, path.parent, [a_bad_night(path)], NOW)
    printed = "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"$ otel-auto-assign spool status\n{printed}```" in readme
