"""A day's requests: made up, or read from a file."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.restaurant.requests import RESTAURANTS, CsvError, generate, read_csv, repeats

HEADER = "run_at,restaurant,booking,service_date,start_time,party,success,reason\n"
LINE = "x,Pub 1,ab12,2025-11-05,19:30:00,4,false,whatever\n"


def test_a_seed_always_gives_the_same_day() -> None:
    """The day depends on nothing but the seed, and seeds differ."""
    assert generate(7) == generate(7)
    assert generate(7) != generate(8)


@pytest.mark.parametrize("seed", [0, 1, 2, 12345])
def test_a_day_has_both_peaks_and_everything_the_demo_promises(seed: int) -> None:
    """Whatever the seed: hundreds of requests, lunch and dinner, and each kind that must occur."""
    requests = generate(seed)
    hours = Counter(request.starts_at.hour for request in requests)

    assert len(requests) == 320
    assert {request.restaurant for request in requests} == set(RESTAURANTS)
    assert len({request.booking for request in requests}) == 320
    assert hours[12] + hours[13] > 60
    assert hours[19] + hours[20] > 60
    assert sum(request.starts_at.hour == 14 for request in requests) >= 20
    assert sum(request.party >= 40 for request in requests) == 16
    assert sum(request.by_phone for request in requests) == 64


def test_a_file_is_read_by_its_five_columns(tmp_path: Path) -> None:
    """Other columns are not looked at, a byte order mark and spaces do no harm."""
    file = tmp_path / "day.csv"
    file.write_text("\ufeff" + HEADER + LINE.replace("Pub 1", " Pub 1 "), encoding="utf-8")

    (request,) = read_csv(file)

    assert (request.restaurant, request.booking, request.party) == ("Pub 1", "ab12", 4)
    assert request.starts_at == datetime(2025, 11, 5, 19, 30, tzinfo=UTC)
    assert not request.by_phone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER.replace("start_time", "time") + LINE, "day.csv: column 'start_time' is missing"),
        (HEADER + LINE + LINE.replace("19:30:00", "25:30:00"), "day.csv, line 3: start_time '25:30:00' is no time"),
        (HEADER + LINE.replace("19:30:00", "19:30+02:00"), "line 2: start_time '19:30+02:00' has a time zone"),
        (HEADER + LINE.replace("2025-11-05", "2025-02-30"), "line 2: service_date '2025-02-30' is no date"),
        (HEADER + LINE.replace("2025-11-05", "0001-01-01"), "line 2: service_date '0001-01-01' is no date"),
        (HEADER + LINE.replace(",4,", ",0,"), "line 2: party '0' is no number of guests"),
        (HEADER + LINE.replace(",4,", ",four,"), "line 2: party 'four' is no number of guests"),
        (HEADER + LINE.replace("ab12", ""), "line 2: booking '' is no name"),
        (HEADER + LINE.replace("Pub 1", "Pub\x00"), "line 2: restaurant 'Pub\\x00' is no name"),
        (HEADER + "x,Pub 1,ab12\n", "line 2: service_date '' is no date"),
        (HEADER, "day.csv: there is no booking in it"),
        ("", "day.csv: column 'restaurant' is missing"),
    ],
)
def test_what_is_no_list_of_requests_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, the line and what is wrong."""
    file = tmp_path / "day.csv"
    file.write_text(text)

    with pytest.raises(CsvError) as refused:
        read_csv(file)

    assert message in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Neither a missing file nor bytes that are no text raise anything else."""
    (tmp_path / "bytes.csv").write_bytes(b"restaurant,\xff\xfe")

    for name in ("missing.csv", "bytes.csv"):
        with pytest.raises(CsvError, match=f"{name}: cannot be read"):
            read_csv(tmp_path / name)


def test_a_booking_that_comes_again_is_a_further_job(tmp_path: Path) -> None:
    """Only the first of a name makes a booking, and the same name elsewhere is another booking."""
    file = tmp_path / "day.csv"
    file.write_text(HEADER + LINE + LINE + LINE.replace("Pub 1", "Pub 2"))

    first, again = repeats(read_csv(file))

    assert [request.restaurant for request in first] == ["Pub 1", "Pub 2"]
    assert [request.restaurant for request in again] == ["Pub 1"]


def test_each_phase_has_bookings_of_its_own() -> None:
    """The id depends on the phase and on the names, not on the time of the run; the restaurant stays."""
    request = generate(1)[0]
    one, same, other = (request.as_booking(phase, timedelta()) for phase in ("baseline", "baseline", "post"))

    assert one == same
    assert one.id != other.id
    assert one.id.version == 5
    assert one.restaurant_id == other.restaurant_id
