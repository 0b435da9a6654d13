"""The inline flow: each way out, on a real database."""

from datetime import timedelta

import psycopg

from examples.restaurant.bookings import Hint
from examples.restaurant.clock import HouseRules
from examples.restaurant.inline import TIMEOUT_REASON
from tests.restaurant.support import floor, open_house

TABLE = floor((2, True))


def test_a_free_table_is_confirmed_while_the_guest_waits(dsn: str) -> None:
    """No hint is left where a table was found."""
    with open_house(dsn, TABLE) as house:
        booking = house.book()

        assert house.app.inline.request(booking).confirmed
        stored = house.app.book.load(booking.id)
        assert stored is not None
        assert (stored.status, stored.hint) == ("confirmed", None)
        assert house.inline_notes.heard == ["holding"]


def test_a_refusal_is_left_as_a_hint(dsn: str) -> None:
    """The job can read why, and whether it will last."""
    with open_house(dsn, TABLE) as house:
        house.seat()
        booking = house.book()

        reply = house.app.inline.request(booking, "a1")

        stored = house.app.book.load(booking.id)
        assert stored is not None
        assert reply.hint == stored.hint == Hint("a1", "No capacity left at 19:30 for a party of 2", hard=True)


def test_a_failure_is_left_as_a_hint_that_will_not_last(dsn: str) -> None:
    """The guest sees no error of the database; the hint is its first line."""
    with open_house(dsn, TABLE) as house:
        booking = house.book()
        with house.database.transaction() as conn:
            conn.execute("DROP TABLE confirmations")

        hint = house.app.inline.request(booking, "a1").hint

        assert hint == Hint("a1", 'relation "confirmations" does not exist', hard=False)


def test_a_search_goes_on_behind_its_timeout_and_may_still_confirm(dsn: str) -> None:
    """While somebody locks the restaurant the guest gives up; once it is free again the booking is confirmed."""
    rules = HouseRules(inline_timeout=timedelta(seconds=0.3))
    with open_house(dsn, TABLE, rules) as house, psycopg.connect(dsn) as other:
        booking = house.book()
        other.execute("SELECT 1 FROM restaurants FOR NO KEY UPDATE")

        reply = house.app.inline.request(booking, "a1")

        assert reply.hint == Hint("a1", TIMEOUT_REASON, hard=False)
        assert house.inline_notes.heard[-1] == "timed out"
        other.rollback()
        house.app.inline.close()
        stored = house.app.book.load(booking.id)
        assert stored is not None
        assert (stored.status, stored.hint) == ("confirmed", reply.hint)
