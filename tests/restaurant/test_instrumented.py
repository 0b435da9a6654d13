"""The instrumented system: what its spans say where function calls alone would not."""

from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

from examples.restaurant.app import App
from examples.restaurant.bookings import Hint
from examples.restaurant.clock import Clock, HouseRules
from examples.restaurant.flags import PLANNER_CACHE, RETRY_POLICY_V2
from examples.restaurant.inline import TIMEOUT_REASON
from examples.restaurant.instrumented import INSTRUMENTED
from examples.restaurant.tracing import SpanKeeper
from otel_auto_assign import Settings, configure, semconv
from tests.restaurant.support import MORNING, House, floor, open_house

TABLE = floor((2, True))


@pytest.fixture
def keeper() -> Iterator[SpanKeeper]:
    """Keeps every span while a test runs."""
    provider = TracerProvider()
    kept = SpanKeeper()
    provider.add_span_processor(kept)
    configure(settings=Settings(), tracer_provider=provider)
    yield kept
    provider.shutdown()
    configure()


def instrumented(house: House, rules: HouseRules | None = None) -> App:
    """Give the system of ``house`` as the demo runs it; its clock is the wall's, a second as long as a second."""
    return App(house.database, Clock(MORNING, 1.0), rules or house.rules, INSTRUMENTED)


def named(keeper: SpanKeeper, name: str) -> ReadableSpan:
    """Give the one span of that name."""
    (span,) = (span for span in keeper.spans() if span.name == name)
    return span


def test_what_a_search_finds_after_its_timeout_is_late(dsn: str, keeper: SpanKeeper) -> None:
    """The run ends once, by its time-out; confirm and hold of the search behind it belong to it, marked late."""
    rules = HouseRules(inline_timeout=timedelta(seconds=0.3))
    with open_house(dsn, TABLE) as house, psycopg.connect(dsn) as other:
        app = instrumented(house, rules)
        other.execute("SELECT 1 FROM restaurants FOR NO KEY UPDATE")

        app.inline.request(house.book(), "a1")
        other.rollback()
        app.inline.close()

    run, confirm = named(keeper, semconv.SPAN_INLINE), named(keeper, semconv.SPAN_CONFIRM)
    assert run.attributes is not None
    assert confirm.attributes is not None
    assert run.attributes[semconv.INLINE_OUTCOME] == semconv.INLINE_TIMEOUT
    assert run.attributes[semconv.INLINE_ATTEMPT_ID] == "a1"
    assert confirm.attributes[semconv.LATE] is True
    assert confirm.attributes[semconv.SUCCESS] is True
    assert confirm.parent == run.get_span_context()


def test_a_job_says_what_it_learned_from_the_request_before(
    dsn: str, keeper: SpanKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Restaurant, hint, adjusted search and number of attempts are on its spans."""
    monkeypatch.setenv(RETRY_POLICY_V2, "true")
    monkeypatch.delenv(PLANNER_CACHE, raising=False)
    with open_house(dsn, TABLE) as house:
        booking = house.book()
        house.app.book.leave_hint(booking.id, Hint("a1", TIMEOUT_REASON, hard=False))

        assert instrumented(house).job.run(booking.id, "request").result == "succeeded"

    job, attempt = named(keeper, semconv.SPAN_JOB).attributes, named(keeper, semconv.SPAN_ATTEMPT).attributes
    assert job is not None
    assert attempt is not None
    assert job[semconv.JOB_RESULT] == semconv.RESULT_SUCCEEDED
    assert job[semconv.TRIGGER] == "request"
    assert job[semconv.BOOKING_ID] == str(booking.id)
    assert job[semconv.JOB_RESTAURANT_ID] == str(booking.restaurant_id)
    assert job[semconv.INLINE_ATTEMPT_ID] == "a1"
    assert job[semconv.INLINE_REASON] == TIMEOUT_REASON
    assert job[semconv.JOB_MAX_ATTEMPTS] == 4
    assert attempt[semconv.ADJUSTMENT_REQUIRE_ADJACENCY] is False


@pytest.mark.parametrize(
    ("minutes", "cancelled", "result"),
    [(600, False, semconv.RESULT_EXHAUSTED), (5, False, semconv.RESULT_CUTOFF), (600, True, semconv.RESULT_SKIPPED)],
)
def test_a_jobs_span_ends_as_the_job_did(
    dsn: str,
    keeper: SpanKeeper,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    cancelled: bool,
    result: str,
) -> None:
    """A hard stop is exhausted, with its reason; a cutoff and an early return have words of their own."""
    monkeypatch.setenv(RETRY_POLICY_V2, "true")
    monkeypatch.delenv(PLANNER_CACHE, raising=False)
    with open_house(dsn, TABLE) as house:
        booking = house.book(party=3, starts_at=MORNING + timedelta(minutes=minutes))
        if cancelled:
            house.app.cancel(booking)

        instrumented(house).job.run(booking.id, "phone")

    job = named(keeper, semconv.SPAN_JOB).attributes
    assert job is not None
    assert job[semconv.JOB_RESULT] == result
    stopped = job.get(semconv.JOB_HARD_STOP_REASON_CODE)
    assert stopped == ("hard.global_capacity" if result == semconv.RESULT_EXHAUSTED else None)
