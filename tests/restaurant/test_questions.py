"""The demo's SQL: each invariant finds what violates it, and only that."""

import json

import pytest

from examples.restaurant.evidence import Evidence, gather, shortcomings
from examples.restaurant.questions import Verdict, ask, read_questions
from examples.restaurant.sandbox import SCHEMA_SQL
from tests.postgres import Connection

FLAGS = {"retry_policy_v2": False, "planner_cache": False}
JOB: dict[str, object] = {"job_id": "j1", "flags": FLAGS, "booking_ref": "b1"}
RUN: dict[str, object] = {"attemptId": "a1", "flags": FLAGS}
STARTED = ("auto_assign.started", JOB)
ATTEMPT = ("auto_assign.attempt", {**JOB, "attempt_index": 0, "planner_calls": 1})
QUOTE = (
    "auto_assign.quote",
    {**JOB, "flow": "job", "attempt_index": 0, "success": False, "reasonCode": "hard.no_capacity", "cache_hit": False},
)
SUMMARY = ("auto_assign.summary", {**JOB, "result": "exhausted", "attemptsUsed": 1})
FAILED = ("auto_assign.failed", JOB)
TIMEOUT = ("inline_auto_assign.timeout", RUN)
LATE = ("inline_auto_assign.quote_error", {**RUN, "late": True})
GOOD = (STARTED, ATTEMPT, QUOTE, SUMMARY, FAILED, TIMEOUT, LATE)

Row = tuple[str, dict[str, object]]


def put(conn: Connection, *rows: Row) -> None:
    """Store rows."""
    for event, context in rows:
        source = "auto_assign" if event.startswith("auto") else "bookings.inline_auto_assign"
        conn.execute(
            "INSERT INTO observability_events (source, event_type, context) VALUES (%s, %s, %s)",
            (source, event, json.dumps(context)),
        )


def violated(conn: Connection) -> list[int]:
    """Give the numbers of the invariants that are violated."""
    return [n for n, question in enumerate(read_questions("invariants"), 1) if ask(conn, question).violations]


@pytest.fixture
def table(conn: Connection) -> Connection:
    """The demo's tables, empty."""
    conn.execute(SCHEMA_SQL)
    return conn


def test_good_rows_violate_nothing(table: Connection) -> None:
    """One job that failed and one inline run that timed out, as the contract wants them."""
    put(table, *GOOD)

    assert len(read_questions("invariants")) == 10
    assert violated(table) == []


@pytest.mark.parametrize(
    ("number", "rows"),
    [
        (1, [row for row in GOOD if row is not SUMMARY and row is not FAILED]),
        (1, [*GOOD, SUMMARY]),
        (2, [row for row in GOOD if row is not TIMEOUT]),
        (2, [*GOOD, ("inline_auto_assign.no_hold", RUN)]),
        (3, [*GOOD, ("auto_assign.attempt_error", {**JOB, "attempt_index": 0, "planner_calls": 1})]),
        (4, [row for row in GOOD if row is not QUOTE]),
        (4, [*GOOD, (QUOTE[0], {**QUOTE[1], "attempt_index": 1})]),
        (5, [*GOOD, ("auto_assign.planner_cache_hit", JOB)]),
        (6, [row for row in GOOD if row is not FAILED]),
        (6, [*GOOD, ("auto_assign.succeeded", JOB)]),
        (
            7,
            [
                *GOOD,
                (
                    "auto_assign.hard_stop",
                    {
                        **JOB,
                        "reasonCode": "transient.timeout",
                        "attempt_index": 0,
                    },
                ),
            ],
        ),
        (8, [*GOOD, ("auto_assign.inline_skip_attempt", JOB)]),
        (9, [*GOOD, ("auto_assign.stage_slow", {**JOB, "booking_ref": "b2"})]),
        (10, [*GOOD, (QUOTE[0], {**QUOTE[1], "reasonCode": "unknown"})]),
    ],
)
def test_an_invariant_finds_its_violation(table: Connection, number: int, rows: list[Row]) -> None:
    """Each of them notices a row that is missing, wrong or too much."""
    put(table, *rows)

    assert number in violated(table)


def test_the_queries_to_paste_run(table: Connection) -> None:
    """Each answers with rows where there is something to tell."""
    booking = "11111111-1111-4111-8111-111111111111"
    table.execute("INSERT INTO restaurants (id, name) VALUES (%s, 'x')", (booking,))
    table.execute(
        "INSERT INTO bookings (id, restaurant_id, party, starts_at) VALUES (%s, %s, 2, now())", (booking, booking)
    )
    put(table, ATTEMPT, TIMEOUT, ("inline_auto_assign.quote_result", {**RUN, "late": True, "hasHold": True}))
    table.execute("UPDATE observability_events SET booking_id = %s", (booking,))

    queries = read_questions("queries")

    assert len(queries) == 3
    assert all(table.execute(query.statement.encode()).fetchall() for query in queries)


def test_what_never_occurred_is_counted_as_nought(table: Connection) -> None:
    """An empty table is evidence of nothing; one row of a kind is."""
    assert {item.times for item in gather(table, [])} == {0}
    put(table, TIMEOUT, ("inline_auto_assign.quote_result", {**RUN, "late": True}), ("auto_assign.hard_stop", JOB))

    assert [item.times for item in gather(table, [])] == [0, 1, 0, 1, 0]


def test_shortcomings_name_what_is_missing_and_what_is_violated() -> None:
    """A run is blamed for rows that were lost, for what did not occur, and for what must not."""
    demanded = [Evidence("a hard stop", 0), Evidence("a cache hit", 3)]
    verdicts = [Verdict("one summary", 2, "j1"), Verdict("one terminal", 0)]

    assert shortcomings(demanded, verdicts, written=9, lost=4) == [
        "4 rows were not written",
        "did not occur: a hard stop",
        "violated: one summary",
    ]
    assert shortcomings(demanded[1:], verdicts[1:], written=9, lost=0) == []
    assert shortcomings([], verdicts[1:], written=0, lost=0) == ["no row was written"]
