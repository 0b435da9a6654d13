"""What ``otel-auto-assign spool`` shows: for people, and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.table import Column
from rich.table import Table as Grid
from rich.text import Text

from otel_auto_assign.commands.output import console

if TYPE_CHECKING:
    from rich.console import Console

    from observability_events.dead_letters import Letter
    from observability_events.overview import Overview
    from observability_events.replay import Replayed

_COUNTED: Final = {
    "accepted": "accepted", "adopted": "adopted", "committed": "committed", "pending_memory": "memory",
    "pending_disk": "disk", "handed_over": "handed over", "dead_lettered": "dead",
}  # fmt: skip
"""Field of the accounts → the heading of its column."""
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def document(found: Overview) -> dict[str, Any]:
    """Give what ``spool status --json`` says of a destination."""
    return {
        "name": found.path.name,
        **{key: found.about.get(key) for key in ("host", "port", "dbname", "table")},
        "pieces": found.pieces,
        "owners": [
            {
                "name": owner.name,
                "alive": owner.alive,
                "status": owner.status,
                "segments": [
                    {
                        "file": each.path.name,
                        "bytes": each.size,
                        "written": datetime.fromtimestamp(each.written, UTC).isoformat(),
                        "pieces": each.records,
                    }
                    for each in owner.segments
                ],
            }
            for owner in found.owners
        ],
        "dead_letters": found.dead_letters,
        "quarantined": [path.name for path in found.quarantined],
        "remarks": found.remarks,
    }


def letter_document(letter: Letter) -> dict[str, Any]:
    """Give what ``spool dead-letters --json`` says of one."""
    row = letter.row
    return {
        "id": str(letter.id),
        "time": letter.time.isoformat(),
        "reason": letter.reason,
        "sqlstate": letter.sqlstate or None,
        "text": letter.text,
        "row": None
        if row is None
        else {
            "created_at": row.created_at.isoformat(),
            "source": row.source,
            "event_type": row.event_type,
            "severity": row.severity,
            "restaurant_id": None if row.restaurant_id is None else str(row.restaurant_id),
            "booking_id": None if row.booking_id is None else str(row.booking_id),
            "context": row.context,
        },
    }


def print_status(out: Console, where: Path, found: list[Overview], now: datetime) -> None:
    """Print what ``spool status`` shows."""
    if not found:
        out.print(Text(f"nothing waits on disk in {where}"))
    for number, each in enumerate(found):
        if number:
            out.print()
        out.print(Text(_printable(f"{each.title} ({each.path})")), soft_wrap=True)
        if each.owners:
            out.print(_owners(each, now))
        segments = [segment for owner in each.owners for segment in owner.segments]
        if each.oldest is not None:
            age = _span((now - each.oldest).total_seconds())
            pieces, files = counted(each.pieces, "piece"), counted(len(segments), "segment")
            size = _bytes(sum(segment.size for segment in segments))
            out.print(f"on disk: {pieces} in {files} ({size}), the oldest last written to {age} ago", soft_wrap=True)
        for remark in each.remarks:
            out.print(Text(f"! {_printable(remark)}"), soft_wrap=True)
        if not each.remarks:
            out.print("all is well")


def _owners(found: Overview, now: datetime) -> Grid:
    numbers = [Column(name, justify="right") for name in (*_COUNTED.values(), "dropped", "said")]
    grid = Grid("owner", "state", "circuit", *numbers, box=None, pad_edge=False)
    for owner in found.owners:
        said = owner.status or {}
        accounts = said.get("accounts") or {}
        grid.add_row(
            owner.name,
            "alive" if owner.alive else "ended",
            _cell(said.get("circuit")),
            *(_cell(accounts.get(name)) for name in _COUNTED),
            _cell(sum((accounts.get("dropped") or {}).values()) if accounts else None),
            _ago(said.get("time"), now),
        )
    return grid


def print_letters(shown: list[tuple[str, list[Letter]]]) -> None:
    """Print the dead letters of each destination, which are given with its title."""
    out = console()
    if not any(letters for _, letters in shown):
        out.print("no dead letters")
    for title, letters in shown:
        if not letters:
            continue
        out.print(Text(f"{_printable(title)}: {counted(len(letters), 'dead letter')}"))
        grid = Grid("id", "refused", "event type", "reason", "SQLSTATE", "what was said", box=None, pad_edge=False)
        for letter in letters:
            grid.add_row(
                str(letter.id),
                letter.time.strftime("%Y-%m-%d %H:%M:%SZ"),
                _cell(_what(letter)),
                _cell(letter.reason),
                _cell(letter.sqlstate or None),
                _cell(letter.text),
            )
        out.print(grid)


def _what(letter: Letter) -> str:
    if letter.row is not None:
        return letter.row.event_type
    return "damaged" if letter.span is None else f"span {letter.span[1].name}"


def sentence(kind: str, done: Replayed) -> str:
    """Say what ``spool replay`` has done with the segments, or with the dead letters."""
    name = {"segments": "what ended processes left", "dead_letters": "dead letters"}[kind]
    text = f"{name}: {counted(done.written, 'row')} written"
    if done.already_present:
        text += f" ({done.already_present} of them were in the table)"
    if done.dead_lettered:
        text += f", {done.dead_lettered} refused: `spool dead-letters` says why"
    if done.left:
        text += f", {done.left} left on disk"
    if done.lost:
        text += f", {done.lost} lost: too old, or refused and not to be kept as dead letters"
    return text


def _cell(value: object) -> Text:
    return Text("-" if value is None else _printable(str(value)), overflow="fold")


def _printable(text: str) -> str:
    """Give ``text`` without what a terminal would obey, or not be able to show."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def counted(number: int, noun: str) -> str:
    """Give a number of things, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _ago(time: object, now: datetime) -> str:
    try:
        then = datetime.fromisoformat(str(time))
    except ValueError:
        return "-"
    return f"{_span((now - then).total_seconds())} ago"


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def _bytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"
