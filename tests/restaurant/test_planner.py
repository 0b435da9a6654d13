"""Quotes and confirms on a real database."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import psycopg
import pytest
from psycopg import errors

from examples.restaurant.combinations import Strategy
from examples.restaurant.flags import PLANNER_CACHE, RETRY_POLICY_V2
from examples.restaurant.planner import BookingGoneError, HoldLostError
from otel_auto_assign.reasons import classify
from tests.restaurant.support import EVENING, MORNING, floor, open_house

ONE_TABLE = floor((2, True))
TWO_TABLES = floor((2, True), (4, True))


def test_a_quote_holds_the_best_table_and_a_confirm_assigns_it(dsn: str) -> None:
    """From quote to confirm: the hold becomes an assignment, the booking confirmed, the guests counted."""
    with open_house(dsn, TWO_TABLES) as house, psycopg.connect(dsn, autocommit=True) as conn:
        booking = house.book()
        quote = house.planner.quote(booking, Strategy())
        assert quote.hold is not None
        assert (quote.alternates, quote.cache_hit, quote.reason) == (1, False, None)
        assert quote.planner_stats == {"considered": 2, "free": 2, "conflicts": 0}

        house.planner.confirm(quote.hold, booking)

        assert conn.execute("SELECT count(*) FROM holds").fetchone() == (0,)
        assert conn.execute("SELECT label FROM assignments JOIN tables ON id = table_id").fetchall() == [("T001",)]
        assert conn.execute("SELECT covers FROM restaurants").fetchone() == (2,)
        stored = house.app.book.load(booking.id)
        assert stored is not None
        assert stored.status == "confirmed"


def test_taken_tables_are_a_hard_reason_and_held_ones_a_transient_one(dsn: str) -> None:
    """Who is seated stays; who only holds may not."""
    with open_house(dsn, ONE_TABLE) as house:
        hold = house.planner.quote(house.book(), Strategy()).hold
        held = house.planner.quote(house.book(), Strategy())
        assert held.reason == "Conflicts with holds on tables 1; retry after 10:03:00"
        assert (held.hard, classify(held.reason)) == (False, "transient.hold_conflict")

        house.time.seconds = house.rules.hold_life.total_seconds()  # the hold has expired
        house.seat()
        taken = house.planner.quote(house.book(), Strategy())
        assert taken.reason == "No capacity left at 19:30 for a party of 2"
        assert (taken.hard, classify(taken.reason)) == (True, "hard.no_capacity")
        assert hold is not None


def test_tables_are_free_again_when_the_guests_have_left(dsn: str) -> None:
    """Two stay 75 minutes; who comes then has the table."""
    with open_house(dsn, ONE_TABLE) as house:
        house.seat(starts_at=EVENING)

        too_early = house.planner.quote(house.book(starts_at=EVENING + timedelta(minutes=74)), Strategy())
        in_time = house.planner.quote(house.book(starts_at=EVENING + timedelta(minutes=75)), Strategy())

        assert too_early.hold is None
        assert in_time.hold is not None


def test_a_meal_that_cannot_end_in_time_is_refused(dsn: str) -> None:
    """A late lunch overruns its service, whatever is free."""
    with open_house(dsn, ONE_TABLE) as house:
        quote = house.planner.quote(house.book(starts_at=MORNING.replace(hour=14)), Strategy())

        assert quote.reason == "Reservation would overrun lunch service (end 15:00)."
        assert (quote.hard, classify(quote.reason)) == (True, "hard.service_overrun")


def test_two_connections_that_want_one_table_truly_conflict(dsn: str) -> None:
    """Who wants the table for a time that overlaps is refused with SQLSTATE 23P01; who comes later is not."""
    with open_house(dsn, ONE_TABLE) as house:
        booking, rival = house.book(), house.book(starts_at=EVENING + timedelta(minutes=60))
        later = house.book(starts_at=EVENING + timedelta(minutes=75))
        (best,) = house.planner.choose(booking, Strategy()).free
        first = house.planner.place_hold(booking, best)

        with pytest.raises(errors.ExclusionViolation) as refused:
            house.planner.place_hold(rival, best)

        assert refused.value.sqlstate == "23P01"
        assert house.database.refusals == Counter({"23P01": 1})
        assert first.booking_id == booking.id
        assert house.planner.place_hold(later, best).table_ids == first.table_ids


def test_tables_that_were_assigned_after_the_look_are_refused_by_the_confirm(dsn: str) -> None:
    """A planner that looked before its rival confirmed can hold the table, but not have it."""
    with open_house(dsn, ONE_TABLE) as house:
        booking = house.book()
        (best,) = house.planner.choose(booking, Strategy()).free
        house.seat(starts_at=EVENING + timedelta(minutes=60))

        hold = house.planner.place_hold(booking, best)
        with pytest.raises(errors.ExclusionViolation) as refused:
            house.planner.confirm(hold, booking)

        assert refused.value.diag.constraint_name == "no_overlapping_table_assignments"
        assert classify(refused.value) == "transient.hold_conflict"


def test_a_crowd_shares_the_tables_out(dsn: str) -> None:
    """Of many planners at once, as many get a hold as there are tables; the others are told of holds."""
    with open_house(dsn, floor(*[(2, False)] * 3)) as house:
        bookings = [house.book() for _ in range(12)]
        together = threading.Barrier(4)

        def ask(number: int) -> str:
            if number < 4:
                together.wait(10)
            quote = house.planner.quote(bookings[number], Strategy())
            return "hold" if quote.hold else classify(quote.reason)

        with ThreadPoolExecutor(4) as crowd:
            answers = Counter(crowd.map(ask, range(12)))

        assert answers == {"hold": 3, "transient.hold_conflict": 9}


def test_a_hold_that_expired_is_lost(dsn: str) -> None:
    """Somebody else's quote clears it away; to confirm it then fails by a reason that is transient."""
    with open_house(dsn, ONE_TABLE) as house:
        booking = house.book()
        hold = house.planner.quote(booking, Strategy()).hold
        assert hold is not None
        house.time.seconds = house.rules.hold_life.total_seconds()
        house.planner.quote(house.book(), Strategy())

        with pytest.raises(HoldLostError) as lost:
            house.planner.confirm(hold, booking)

        assert classify(lost.value) == "transient.hold_conflict"
        stored = house.app.book.load(booking.id)
        assert stored is not None
        assert stored.status == "pending"


def test_a_booking_is_confirmed_once(dsn: str) -> None:
    """Two holds of one booking, two confirms: the second is refused by the idempotency key."""
    with open_house(dsn, TWO_TABLES) as house:
        booking = house.book()
        first, second = (house.planner.quote(booking, Strategy()).hold for _ in range(2))
        assert first is not None
        assert second is not None
        house.planner.confirm(first, booking)

        with pytest.raises(errors.UniqueViolation) as refused:
            house.planner.confirm(second, booking)

        assert classify(refused.value) == "transient.idempotency_conflict"


def test_a_cancelled_booking_is_not_confirmed(dsn: str) -> None:
    """Who called off while the planner searched gets no table."""
    with open_house(dsn, ONE_TABLE) as house:
        booking = house.book()
        hold = house.planner.quote(booking, Strategy()).hold
        assert hold is not None
        house.app.cancel(booking)

        with pytest.raises(BookingGoneError):
            house.planner.confirm(hold, booking)


@pytest.mark.parametrize(("v2", "cache", "status"), [("1", "1", "hit"), ("0", "1", "off"), ("1", "0", "off")])
def test_the_cache_answers_only_with_both_flags(
    dsn: str, monkeypatch: pytest.MonkeyPatch, v2: str, cache: str, status: str
) -> None:
    """A refusal asked for again comes from memory, with its reason; without either flag it is found again."""
    monkeypatch.setenv(RETRY_POLICY_V2, v2)
    monkeypatch.setenv(PLANNER_CACHE, cache)
    with open_house(dsn, ONE_TABLE) as house:
        house.seat()
        first, second = (house.planner.quote(house.book(), Strategy()) for _ in range(2))

        assert (first.reason, first.hard, first.cache_hit) == (second.reason, second.hard, False)
        assert second.cache_status == status
        assert second.cache_hit is (status == "hit")
