"""The job flow: each way out, on a real database and a clock that only waiting moves."""

import uuid
from datetime import timedelta

import pytest

from examples.restaurant.bookings import Hint
from examples.restaurant.combinations import Strategy
from examples.restaurant.flags import PLANNER_CACHE, RETRY_POLICY_V2
from examples.restaurant.inline import TIMEOUT_REASON
from examples.restaurant.job import JobReport
from examples.restaurant.policy import WIDER
from tests.restaurant.support import MORNING, floor, open_house

TABLE = floor((2, True))
FULL = "No capacity left at 19:30 for a party of 2"


@pytest.fixture
def v2(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 of the retry policy is on, the cache off."""
    monkeypatch.setenv(RETRY_POLICY_V2, "true")
    monkeypatch.setenv(PLANNER_CACHE, "false")


@pytest.fixture(autouse=True)
def v1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless a test says otherwise, no flag is set."""
    monkeypatch.delenv(RETRY_POLICY_V2, raising=False)
    monkeypatch.delenv(PLANNER_CACHE, raising=False)


def test_a_free_table_ends_the_job_at_once(dsn: str) -> None:
    """One attempt, no waiting."""
    with open_house(dsn, TABLE) as house:
        assert house.app.job.run(house.book().id, "phone") == JobReport("succeeded", 1)
        assert house.notes.heard == [("loaded", "phone", 6)]
        assert house.time.waits == []


def test_without_the_flag_a_job_uses_all_its_attempts(dsn: str) -> None:
    """A full house is asked six times, with growing pauses."""
    with open_house(dsn, TABLE) as house:
        house.seat()

        assert house.app.job.run(house.book().id, "phone") == JobReport("exhausted", 6, FULL)
        assert house.time.waits == [20, 40, 80, 160, 320]


@pytest.mark.usefixtures("v2")
def test_a_hard_reason_stops_a_job_under_the_new_policy(dsn: str) -> None:
    """A full house is asked once."""
    with open_house(dsn, TABLE) as house:
        house.seat()

        assert house.app.job.run(house.book().id, "phone") == JobReport("exhausted", 1, FULL)
        assert house.notes.heard[-1] == ("stopped", FULL)


@pytest.mark.usefixtures("v2")
def test_a_transient_reason_is_tried_again_under_either_policy(dsn: str) -> None:
    """Tables that were only held are had once the hold has expired."""
    with open_house(dsn, TABLE) as house:
        assert house.planner.quote(house.book(), Strategy()).hold is not None

        assert house.app.job.run(house.book().id, "phone") == JobReport("succeeded", 5)
        assert sum(house.time.waits) >= house.rules.hold_life.total_seconds()


@pytest.mark.usefixtures("v2")
def test_after_a_hard_reason_inline_the_initial_attempt_is_skipped(dsn: str) -> None:
    """The job waits first, and has one attempt left."""
    with open_house(dsn, TABLE) as house:
        house.seat()
        booking = house.book()
        house.app.book.leave_hint(booking.id, Hint("a1", FULL, hard=True))

        assert house.app.job.run(booking.id, "request") == JobReport("exhausted", 1, FULL)
        assert house.notes.heard == [("loaded", "request", 2), ("skipped", FULL, 6, 2), ("stopped", FULL)]
        assert house.time.waits == [20]


@pytest.mark.usefixtures("v2")
def test_after_a_timeout_inline_the_search_is_adjusted_once(dsn: str) -> None:
    """The first attempt takes tables that do not touch, the others search as usual; there are fewer of them."""
    with open_house(dsn, floor((2, True), (2, True))) as house:
        booking = house.book(party=4)
        house.app.book.leave_hint(booking.id, Hint("a1", TIMEOUT_REASON, hard=False))

        assert house.app.job.run(booking.id, "request") == JobReport("succeeded", 1)
        assert house.notes.heard == [("loaded", "request", 4), ("adjusted", WIDER)]


def test_without_the_flag_a_hint_changes_nothing(dsn: str) -> None:
    """Version 1 asks at once, whatever the request has met."""
    with open_house(dsn, TABLE) as house:
        booking = house.book()
        house.app.book.leave_hint(booking.id, Hint("a1", FULL, hard=True))

        assert house.app.job.run(booking.id, "request") == JobReport("succeeded", 1)
        assert house.notes.heard == [("loaded", "request", 6)]


def test_close_to_the_meal_the_staff_takes_over(dsn: str) -> None:
    """A booking 110 minutes away is tried, one nearer is not."""
    with open_house(dsn, TABLE) as house:
        far, near = house.rules.cutoff, house.rules.cutoff - timedelta(seconds=1)

        assert house.app.job.run(house.book(starts_at=MORNING + far).id, "phone").result == "succeeded"
        assert house.app.job.run(house.book(starts_at=MORNING + near).id, "phone") == JobReport("cutoff")
        assert house.notes.heard[-1] == ("late", 110)


def test_somebody_elses_confirmation_ends_the_job(dsn: str) -> None:
    """A booking that got its tables while the job slept needs no more attempts."""
    with open_house(dsn, floor((2, True), (4, True))) as house:
        house.seat(party=2)
        blocker = house.book(party=4)
        hold = house.planner.quote(blocker, Strategy()).hold
        booking = house.book(party=3)

        def somebody_else() -> None:
            with house.database.transaction() as conn:
                conn.execute("UPDATE bookings SET status = 'confirmed' WHERE id = %s", (booking.id,))

        house.time.meanwhile = somebody_else

        assert hold is not None
        assert house.app.job.run(booking.id, "phone") == JobReport("already_confirmed", 1)
        assert house.notes.heard[-1] == ("confirmed",)


def test_guests_who_call_off_end_the_job(dsn: str) -> None:
    """Before the first attempt, or while the job sleeps."""
    with open_house(dsn, TABLE) as house:
        house.seat()
        before, later = house.book(), house.book()
        house.app.cancel(before)
        house.time.meanwhile = lambda: house.app.cancel(later)

        assert house.app.job.run(before.id, "phone") == JobReport("skipped", 0, "cancelled")
        assert house.app.job.run(later.id, "phone") == JobReport("skipped", 1, "cancelled")


def test_a_booking_that_is_not_there_is_skipped(dsn: str) -> None:
    """A job for nothing ends at once."""
    with open_house(dsn, TABLE) as house:
        assert house.app.job.run(uuid.uuid4(), "phone") == JobReport("skipped", 0, "not found")


def test_an_attempt_that_fails_is_followed_by_the_next(dsn: str) -> None:
    """A database error costs an attempt, not the job."""
    with open_house(dsn, TABLE) as house:
        booking = house.book()
        with house.database.transaction() as conn:
            conn.execute("ALTER TABLE holds RENAME TO gone")

        def repaired() -> None:
            with house.database.transaction() as conn:
                conn.execute("ALTER TABLE IF EXISTS gone RENAME TO holds")

        house.time.meanwhile = repaired

        assert house.app.job.run(booking.id, "phone") == JobReport("succeeded", 2)
