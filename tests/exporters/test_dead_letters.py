"""Rows that were refused for good are kept, whatever is in them, and what goes wrong with their file hurts nobody."""

from __future__ import annotations

import json
import logging
import math
import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from observability_events import dead_letters as module
from observability_events.dead_letters import FILE_NAME, DeadLetters, DeadLettersError
from tests.exporters.support import row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DSN = "postgresql://ann:geh%40eim@db.example/app"


def add(letters: DeadLetters, **changes: Any) -> bool:
    """Add a row."""
    return letters.add(row(**changes), "refused", "23514", "no")


def test_a_letter_says_what_and_why(tmp_path: Path) -> None:
    """Row, reason, SQLSTATE, text and time come back as they were given."""
    letters = DeadLetters(tmp_path, clock=lambda: 1_795_375_800.5)
    given = row(booking_id=uuid.uuid4(), restaurant_id=uuid.uuid4(), context={"n": 1, "list": [1.5, None, "ä"]})
    assert letters.add(given, "refused", "23514", "violates check constraint")

    (letter,) = letters.letters()
    assert (letter.id, letter.row) == (given.id, given)
    assert (letter.reason, letter.sqlstate, letter.text) == ("refused", "23514", "violates check constraint")
    assert letter.time == datetime.fromtimestamp(1_795_375_800.5, UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"context": {"nul": "a\x00b", "surrogate": "\ud800"}},
        {"source": "nul\x00", "event_type": "\udfff", "severity": "notice"},
        {"context": {"big": 2**70, "infinite": math.inf}},
        {"context": {}},
    ],
    ids=["text", "columns", "numbers", "empty"],
)
def test_what_the_database_cannot_hold_is_kept_as_it_is(tmp_path: Path, changes: dict[str, Any]) -> None:
    """The very values that a row was refused for survive."""
    letters = DeadLetters(tmp_path)
    given = row(**changes)
    assert letters.add(given, "refused", "not encodable", "no")
    assert [letter.row for letter in letters.letters()] == [given]


def _itself() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize("value", [{"odd": object()}, {("a", 1): 2}, {"endless": _itself()}])
def test_what_is_no_json_costs_only_itself(tmp_path: Path, value: dict[Any, Any]) -> None:
    """A row that no format can hold keeps its id, its time and all the rest."""
    letters = DeadLetters(tmp_path)
    given = row(context=value)
    assert letters.add(given, "refused", "not encodable", "no")
    (letter,) = letters.letters()
    assert letter.row is not None
    assert letter.row._replace(context={}) == given._replace(context={})


def test_texts_are_scrubbed(tmp_path: Path) -> None:
    """Neither the password, nor the DSN, nor an address, nor a number is in any byte of the file."""
    letters = DeadLetters(tmp_path, dsn=DSN)
    text = f'guest ann@example.org, +44 20 7946 0958: password "geh@eim", geh%40eim, {DSN} {"x" * 9000}\ud800'
    assert letters.add(row(), "refused", "P0001", text)
    assert add(letters)
    content = (tmp_path / FILE_NAME).read_bytes()
    for secret in (b"geh@eim", b"geh%40eim", b"ann@", b"7946", b"db.example"):
        assert secret not in content
    assert [len(letter.text) for letter in letters.letters()] == [500, 2]


def test_the_same_row_is_one_letter(tmp_path: Path) -> None:
    """Refused once more, it has the reason and the time of that."""
    now = [1000.0]
    letters = DeadLetters(tmp_path, clock=lambda: now[0])
    given = row()
    assert letters.add(given, "refused", "23514", "first")
    now[0] = 2000.0
    assert letters.add(given, "refused", "23502", "second")
    assert letters.count() == 1
    (letter,) = letters.letters()
    assert (letter.sqlstate, letter.text, letter.time.timestamp()) == ("23502", "second", 2000.0)


def test_letters_are_removed_by_id(tmp_path: Path) -> None:
    """Those and no others; ids that are not there are not counted."""
    letters = DeadLetters(tmp_path)
    rows = [row() for _ in range(5)]
    for each in rows:
        assert letters.add(each, "refused", "23514", "no")
    assert letters.remove([rows[0].id, rows[3].id, uuid.uuid4()]) == 2
    assert [letter.row for letter in letters.letters()] == [rows[1], rows[2], rows[4]]


def test_many_letters_are_read_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, in the order in which they came, those too that come or go while they are read."""
    monkeypatch.setattr(module, "PORTION", 4)
    letters = DeadLetters(tmp_path)
    rows = [row() for _ in range(11)]
    for each in rows[:10]:
        letters.add(each, "refused", "23514", "no")
    reading = letters.letters()
    found = [next(reading).row for _ in range(4)]
    letters.remove([rows[2].id])
    letters.add(rows[10], "refused", "23514", "no")
    assert found + [letter.row for letter in reading] == rows


def test_there_is_no_file_before_a_letter(tmp_path: Path) -> None:
    """Counting, reading and removing find nothing and create nothing."""
    letters = DeadLetters(tmp_path / "folder")
    assert (letters.count(), list(letters.letters()), letters.remove([uuid.uuid4()])) == (0, [], 0)
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """Folder 0700, file 0600, whatever the process's mask is; and nothing else is left in the folder."""
    before = os.umask(0)
    try:
        assert add(DeadLetters(tmp_path / "folder"))
    finally:
        os.umask(before)
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "folder").iterdir()} == {FILE_NAME: 0o600}


ADDER = """
    import sys, uuid
    from pathlib import Path
    from observability_events.dead_letters import DeadLetters
    from tests.exporters.support import row

    letters = DeadLetters(Path(sys.argv[1]))
    print(flush=True)
    sys.stdin.readline()
    ids = [uuid.uuid4() for _ in range(40)]
    print(*[each for each in ids if letters.add(row(id=each), "refused", "23514", "no")], flush=True)
"""


def test_processes_share_a_file(tmp_path: Path) -> None:
    """Of three that begin it at the same moment, every letter that was said to be kept is there, and no other."""
    command = [sys.executable, "-c", textwrap.dedent(ADDER), str(tmp_path)]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    kept = [process.communicate(timeout=30)[0].split() for process in started]
    assert all(kept)
    found = [str(letter.id) for letter in DeadLetters(tmp_path).letters()]
    assert sorted(found) == sorted(each for ids in kept for each in ids)


def test_an_addition_survives_a_kill(tmp_path: Path) -> None:
    """What was said to be kept is there after SIGKILL, and the file goes on being used."""
    program = textwrap.dedent(ADDER) + "\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], check=False, input="\n", capture_output=True, text=True
    )
    letters = DeadLetters(tmp_path)
    assert done.returncode == -9
    assert done.stdout.split() == [str(letter.id) for letter in letters.letters()]
    assert add(letters)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE letters (other TEXT)")
    file.close()


def _newer(path: Path) -> None:
    assert add(DeadLetters(path.parent))
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 2")
    file.close()


def _broken(path: Path) -> None:
    letters = DeadLetters(path.parent)
    for _ in range(100):
        add(letters)
    content = bytearray(path.read_bytes())
    content[4096 * 1 :: 7] = b"\xff" * len(content[4096 * 1 :: 7])
    path.write_bytes(content)


def _text(path: Path) -> None:
    path.write_text("not a database, but longer than the header of one, which has a hundred bytes " * 100)


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.symlink_to(path.parent / "elsewhere")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_foreign, "is a database of something else: move it away"),
        (_newer, "was written by a newer version of otel-auto-assign (2, we know 1)"),
        (_broken, "move it away, and a new one is begun"),
        (_text, "move it away, and a new one is begun"),
        (_folder, "is not a file"),
        (_link, "is not a file"),
    ],
)
def test_a_file_that_is_none_of_ours(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None], said: str
) -> None:
    """It is left as it is; nothing is kept, which is said once, and the other methods say it, too."""
    path = tmp_path / FILE_NAME
    damage(path)
    letters = DeadLetters(tmp_path)
    before = path.read_bytes() if path.is_file() else b""
    assert [add(letters) for _ in range(3)] == [False] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert said in caplog.text
    assert str(path) in caplog.text
    if not path.is_symlink():
        with pytest.raises(DeadLettersError, match=r"move it away|newer version|not a file"):
            list(letters.letters())
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [FILE_NAME]


def test_a_file_is_used_again_when_it_is_mended(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No restart is needed, and the log says so."""
    caplog.set_level(logging.INFO)
    _text(tmp_path / FILE_NAME)
    letters = DeadLetters(tmp_path)
    assert not add(letters)
    (tmp_path / FILE_NAME).rename(tmp_path / "away")
    assert add(letters)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    """A damaged row is listed without its row; the letters beside it are whole."""
    letters = DeadLetters(tmp_path)
    rows = [row(context={"mark": f"mark-{number}"}) for number in range(3)]
    for each in rows:
        letters.add(each, "refused", "23514", "no")
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes().replace(b"mark-1", b"mark-7"))
    assert [letter.row for letter in letters.letters()] == [rows[0], None, rows[2]]
    assert [letter.id for letter in letters.letters()] == [each.id for each in rows]


def test_the_folder_may_vanish(tmp_path: Path) -> None:
    """It is made anew for the next letter."""
    folder = tmp_path / "state" / "destination"
    letters = DeadLetters(folder)
    assert add(letters)
    (folder / FILE_NAME).unlink()
    folder.rmdir()
    assert letters.count() == 0
    assert add(letters)
    assert letters.count() == 1


def test_the_file_is_bounded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It grows to its limit; what comes then is not kept, until letters are removed."""
    letters = DeadLetters(tmp_path, most_bytes=65536)
    kept = 0
    while letters.add(row(context={"text": "x" * 2000}), "refused", "23514", "no"):
        kept += 1
    assert (tmp_path / FILE_NAME).stat().st_size <= 65536
    assert letters.count() == kept
    assert "full" in caplog.text
    assert letters.remove([letter.id for letter in letters.letters()]) == kept
    assert add(letters)


def test_nobody_waits_long_for_a_locked_file(tmp_path: Path) -> None:
    """Another process that holds the file costs a call less than a second, and those right after it nothing."""
    letters = DeadLetters(tmp_path)
    assert add(letters)
    other = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for _ in range(module.BUSY_CALLS):
        began = time.monotonic()
        assert not add(letters)
        assert 0.5 < time.monotonic() - began < 1.2
    began = time.monotonic()
    assert not any(add(letters) for _ in range(100))
    assert time.monotonic() - began < 0.5
    other.execute("ROLLBACK")
    other.close()
    letters._pause_until = 0.0
    assert add(letters)


def test_threads_of_one_process_share_a_file(tmp_path: Path) -> None:
    """Two pipelines of a process that begin the same file keep what both were given."""
    kept: list[bool] = []

    def many() -> None:
        letters = DeadLetters(tmp_path)
        kept.extend(add(letters) for _ in range(30))

    threads = [threading.Thread(target=many) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 60
    assert DeadLetters(tmp_path).count() == 60


def unprivileged(work: Callable[[], object]) -> object:
    """Do ``work`` in a process without root's rights; give its result, which must be JSON."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.write(writing, json.dumps(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as result:
        text = result.read()
    os.waitpid(pid, 0)
    return json.loads(text)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: the child does nothing else
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_that_may_not_be_written(everybodys: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is kept, nothing raised, one line said."""
    folder = everybodys / "destination"
    folder.mkdir()
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    folder.chmod(mode)

    def work() -> object:
        letters = DeadLetters(folder)
        return [add(letters), add(letters), [record.getMessage() for record in caplog.records]]

    assert unprivileged(work) == [
        False,
        False,
        [f"refused rows cannot be kept as dead letters: Permission denied: {folder / FILE_NAME}"],
    ]
    folder.chmod(0o700)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: the child does nothing else
def test_a_disk_that_takes_nothing_more(everybodys: Path) -> None:
    """Where a write fails, nothing is kept, what was there stays, and later letters are kept again."""

    def work() -> object:
        letters = DeadLetters(everybodys / "destination")
        before = add(letters)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        during = [add(letters, context={"text": "x" * 9000}) for _ in range(2)]
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        return [before, during, add(letters), letters.count()]

    everybodys.chmod(0o777)
    assert unprivileged(work) == [True, [False, False], True, 2]
