"""The time that a question is about, and the ways in which people say it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_SPAN: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DEFAULT_SPAN: Final = "7d"


@dataclass(frozen=True)
class Window:
    """The time from ``start`` up to, not including, ``end``; both with a time zone.

    Raises:
        ValueError: if a time has no zone, or the window is empty.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        """Refuse what would silently select the wrong rows."""
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"a window's times need a time zone: {self.start} to {self.end}")
        if self.start >= self.end:
            raise ValueError(f"a window must end after it starts: {self.start} to {self.end}")

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def __str__(self) -> str:
        """Write it for people: in UTC, to the second."""
        start, end = (moment.astimezone(UTC).replace(tzinfo=None) for moment in (self.start, self.end))
        return f"{start.isoformat(' ', 'seconds')} to {end.isoformat(' ', 'seconds')} UTC"


def window_of(*, since: str = "", start: str = "", end: str = "", as_of: str = "", now: datetime) -> Window:
    """Give the window that a command line asks for, by default the last seven days.

    Args:
        since: A span up to now, as ``7d``.
        start: The first moment that is in it.
        end: The first moment that is no longer in it; now, if empty.
        as_of: Takes the place of now: nothing that happened later is looked at.
        now: The present, with a time zone.

    Raises:
        ValueError: in one sentence that names the option, if they cannot be read or contradict each other.

    >>> noon = datetime(2026, 11, 8, 12, tzinfo=UTC)
    >>> str(window_of(since="36h", now=noon))
    '2026-11-07 00:00:00 to 2026-11-08 12:00:00 UTC'
    >>> str(window_of(start="2026-11-01", end="2026-11-02", now=noon))
    '2026-11-01 00:00:00 to 2026-11-02 00:00:00 UTC'
    """
    if since and (start or end):
        raise ValueError("--since goes without --from and --to: each says where the window begins")
    if end and not start:
        raise ValueError("--to needs --from: a window has a beginning")
    now = moment(as_of, "--as-of") if as_of else now
    last = moment(end, "--to") if end else now
    if as_of and end and last > now:
        raise ValueError(f"--to {end} is later than --as-of {as_of}: what is later is not looked at")
    if start:
        first, said = moment(start, "--from"), f"--from {start}"
    else:
        wanted = since or DEFAULT_SPAN
        said = f"--since {wanted}"
        try:
            first = now - span(wanted, "--since")
        except OverflowError:
            raise ValueError(f"--since {wanted}: that is before the year 1") from None
    if first >= last:
        raise ValueError(f"{said}: a window must end after it starts, and it would end at {last.isoformat()}")
    return Window(first, last)


def moment(text: str, option: str) -> datetime:
    """Read a moment: a date (its midnight) or date and time of ISO 8601; without an offset in UTC.

    Raises:
        ValueError: in one sentence that names ``option``.
    """
    try:
        read = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{option} {text!r} is no moment: write 2026-11-01, 2026-11-01T12:30 (UTC) or 2026-11-01T12:30+01:00"
        ) from None
    try:
        return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{option} {text!r} is outside the years 1 to 9999") from None


def span(text: str, option: str) -> timedelta:
    """Read a span of time: ``90m``, ``36h``, ``7d`` or ``2w``.

    Raises:
        ValueError: in one sentence that names ``option``.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{option} {text!r} is no span of time: write a number and m, h, d or w, as in 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
