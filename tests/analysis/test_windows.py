"""Tests of otel_auto_assign.analysis.windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from otel_auto_assign.analysis.windows import Window, moment, window_of

NOW = datetime(2026, 11, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ({}, NOW - timedelta(days=7), NOW),
        ({"since": "90m"}, NOW - timedelta(minutes=90), NOW),
        ({"since": "2w"}, NOW - timedelta(days=14), NOW),
        ({"since": " 36h "}, NOW - timedelta(hours=36), NOW),
        ({"start": "2026-11-01"}, datetime(2026, 11, 1, tzinfo=UTC), NOW),
        ({"start": "2026-11-01T02:00+02:00", "end": "2026-11-02"}, datetime(2026, 11, 1, tzinfo=UTC),
         datetime(2026, 11, 2, tzinfo=UTC)),
        ({"start": "2026-11-01", "end": "2027-01-01"}, datetime(2026, 11, 1, tzinfo=UTC),
         datetime(2027, 1, 1, tzinfo=UTC)),
        ({"since": "1d", "as_of": "2026-10-02"}, datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 2, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_window_as_people_say_it(asked: dict[str, str], start: datetime, end: datetime) -> None:
    """Spans go back from now or from the moment that takes its place; dates are midnights in UTC."""
    assert window_of(**asked, now=NOW) == Window(start, end)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"since": "7x"}, "--since '7x' is no span of time: write a number and m, h, d or w, as in 7d"),
        ({"since": "0d"}, "--since '0d' is no span of time"),
        ({"since": "-7d"}, "--since '-7d' is no span of time"),
        ({"since": "\u0667d"}, "--since '\u0667d' is no span of time"),
        ({"since": "999999w"}, "--since 999999w: that is before the year 1"),
        ({"since": "7d", "start": "2026-11-01"}, "--since goes without --from and --to"),
        ({"end": "2026-11-01"}, "--to needs --from"),
        ({"start": "yesterday"}, "--from 'yesterday' is no moment: write 2026-11-01, "),
        ({"start": "2026-13-01"}, "--from '2026-13-01' is no moment"),
        ({"start": "2026-11-02", "end": "2026-11-02"}, "--from 2026-11-02: a window must end after it starts"),
        ({"start": "2026-11-09"}, "--from 2026-11-09: a window must end after it starts, and it would end at 2026-"),
        ({"start": "2026-11-01", "end": "2026-11-05", "as_of": "2026-11-04"}, "--to 2026-11-05 is later than --as-of"),
        ({"start": "0001-01-01T00:00+14:00"}, "--from '0001-01-01T00:00+14:00' is outside the years"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(asked: dict[str, str], message: str) -> None:
    """It names the option and what was said, and nothing is guessed."""
    with pytest.raises(ValueError, match="^" + message.replace("(", r"\(").replace("+", r"\+")) as raised:
        window_of(**asked, now=NOW)
    assert "\n" not in str(raised.value)


def test_moments_are_in_utc() -> None:
    """Whatever the offset."""
    assert moment("2026-11-01T01:00+01:00", "--from").isoformat() == "2026-11-01T00:00:00+00:00"
    assert moment("2026-11-01T00:00Z", "--from").tzinfo is UTC


def test_a_window_without_zone_or_length_is_refused() -> None:
    """A naive time or an end before the start would select the wrong rows without a word."""
    with pytest.raises(ValueError, match="time zone"):
        Window(datetime(2026, 11, 1), NOW)  # noqa: DTZ001 - the case
    with pytest.raises(ValueError, match="end after it starts"):
        Window(NOW, NOW)
