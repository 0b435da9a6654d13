"""What doctor says of rows that are as they should be, and of each way in which they can fail to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from otel_auto_assign import semconv
from otel_auto_assign.analysis.doctor import Finding, Limits, Verdict, examine, worst
from otel_auto_assign.analysis.doctor.counted import JOBS, ROWS, RUNS, UNREADABLE
from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.windows import Window
from tests.analysis.flows import changed, flags, inline, job, stripped, without
from tests.analysis.rows import NOON, Row, insert
from tests.postgres import create_events_table

Connection = psycopg.Connection[Any]
WINDOW = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
NOW = datetime(2026, 11, 3, tzinfo=UTC)


def look(conn: Connection, **options: Any) -> dict[str, Finding]:
    """Give what is found, by the names of the checks."""
    return {finding.check: finding for finding in examine(conn, WINDOW, **{"now": NOW, **options})}


def wrongs(found: dict[str, Finding]) -> dict[str, Verdict]:
    """Give the verdicts of those that are not well."""
    return {name: finding.verdict for name, finding in found.items() if finding.verdict is not Verdict.OK}


@pytest.mark.usefixtures("events_table")
def test_rows_as_they_should_be_are_well(conn: Connection) -> None:
    """A job and an inline run of the contract's kind raise no objection, and are counted."""
    insert(conn, [*job(), *inline()])
    found = look(conn)

    assert wrongs(found) == {}
    assert worst(found.values()) is Verdict.OK
    assert found["no_summary"].evidence == "none of 1 jobs"
    assert found["no_terminal"].evidence == "none of 1 inline runs"
    assert found["held_yet_timed_out"].evidence == "none of 1 inline runs that timed out"


JOB, RUN = job(), inline()
ABANDONED = replace(JOB[-1], context={**JOB[-1].context, "result": "abandoned", "totalDurationMs": 0}, at=JOB[1].at)
BROKEN: list[tuple[str, list[Row], Verdict]] = [
    ("no_summary", without(JOB, "auto_assign.summary", "auto_assign.succeeded"), Verdict.WRONG),
    ("many_summaries", [*JOB, JOB[-1]], Verdict.WRONG),
    ("twins", [*JOB, ABANDONED, replace(JOB[0], at=JOB[1].at)], Verdict.WARNING),
    ("no_start", without(JOB, "auto_assign.started"), Verdict.WRONG),
    ("attempts", changed(JOB, "auto_assign.summary", attemptsUsed=3), Verdict.WRONG),
    ("planner_calls", changed(JOB, "auto_assign.attempt", planner_calls=2), Verdict.WRONG),
    ("cache_hits", without(JOB, "auto_assign.planner_cache_hit"), Verdict.WRONG),
    ("results", changed(JOB, "auto_assign.summary", result="exhausted"), Verdict.WRONG),
    ("mixed_flags", changed(JOB, "auto_assign.summary", flags=flags(on=True)), Verdict.WRONG),
    ("long_jobs", [*JOB[:-1], replace(JOB[-1], at=NOON + timedelta(hours=1),
                                      context={**JOB[-1].context, "totalDurationMs": 3_600_000})], Verdict.WARNING),
    ("job_clock", changed(JOB, "auto_assign.summary", totalDurationMs=60_000), Verdict.WARNING),
    ("no_terminal", without(RUN, "inline_auto_assign.timeout"), Verdict.WRONG),
    ("many_terminals", [*RUN, replace(RUN[0], event_type="inline_auto_assign.no_hold")], Verdict.WRONG),
    ("held_yet_timed_out", changed(RUN, "inline_auto_assign.quote_result", late=False), Verdict.WRONG),
    ("inline_quotes", without(RUN, "inline_auto_assign.quote_result"), Verdict.WRONG),
    ("mixed_run_flags", changed(RUN, "auto_assign.quote", flags=flags(on=True)), Verdict.WRONG),
    ("no_flags", stripped(JOB, "flags"), Verdict.WRONG),
    ("default_flags", job(flags=flags(source="default")), Verdict.WRONG),
    ("no_environment", stripped(JOB, "environment"), Verdict.WRONG),
    ("no_restaurant", [replace(row, restaurant=None) for row in JOB], Verdict.WARNING),
    ("no_booking", [replace(row, booking=None) for row in JOB], Verdict.WARNING),
    ("no_job_id", stripped(JOB, "job_id"), Verdict.WRONG),
    ("no_attempt_id", stripped(RUN, "attemptId"), Verdict.WRONG),
    ("strange_source", [replace(row, source="capacity") for row in JOB], Verdict.WARNING),
    ("negative", changed(JOB, "auto_assign.succeeded", durationMs=-5), Verdict.WARNING),
    ("unreadable", changed(JOB, "auto_assign.quote", durationMs="12.5", planner_duration_ms="12.5"), Verdict.WRONG),
]  # fmt: skip


@pytest.mark.usefixtures("events_table")
@pytest.mark.parametrize(("check", "rows", "verdict"), BROKEN, ids=[check for check, _, _ in BROKEN])
def test_each_fault_is_found(conn: Connection, check: str, rows: list[Row], verdict: Verdict) -> None:
    """With how many, an example, and what to do about it."""
    insert(conn, rows)
    found = look(conn)[check]

    assert found.verdict is verdict
    assert " of " in found.evidence
    assert found.examples
    assert found.remedy


@pytest.mark.usefixtures("events_table")
def test_a_hold_before_the_time_out_is_well(conn: Connection) -> None:
    """Its confirm was too slow, and that is what a time-out is for."""
    early = [replace(row, at=NOON) if row.event_type != semconv.EVENT_INLINE_TIMEOUT else row for row in RUN]
    insert(conn, changed(early, semconv.EVENT_INLINE_QUOTE_RESULT, late=False))
    assert look(conn)["held_yet_timed_out"].evidence == "none of 1 inline runs that timed out"


def test_each_check_has_its_broken_case() -> None:
    """No check is there that no test has seen object."""
    names = {check.name for check in (*JOBS, *RUNS, *ROWS, UNREADABLE)}
    assert names == {check for check, _, _ in BROKEN} | {"future"}


@pytest.mark.usefixtures("events_table")
def test_rows_from_the_future_are_found(conn: Connection) -> None:
    """By the present that is given, so that the past can be replayed."""
    insert(conn, job(at=NOON))
    assert look(conn, now=NOON - timedelta(hours=1))["future"].verdict is Verdict.WARNING
    assert look(conn)["future"].verdict is Verdict.OK


@pytest.mark.usefixtures("events_table")
def test_what_may_still_run_is_not_missed(conn: Connection) -> None:
    """A job whose last row is young needs no summary yet, nor a run its terminal."""
    insert(conn, [*JOB[:3], *inline()[1:]])
    young = look(conn, now=NOON + timedelta(hours=1))
    assert young["no_summary"].evidence == "no jobs to be judged"
    assert young["no_terminal"].evidence == "no inline runs to be judged"

    old = look(conn, now=NOON + timedelta(hours=3))
    assert (old["no_summary"].verdict, old["no_terminal"].verdict) == (Verdict.WRONG, Verdict.WRONG)


@pytest.mark.usefixtures("events_table")
def test_jobs_are_whole_at_the_window_s_edges(conn: Connection) -> None:
    """A job counts where it began, with all its rows, wherever they are."""
    before, after = WINDOW.start - timedelta(seconds=5), WINDOW.end - timedelta(seconds=5)
    insert(conn, [*job("1" * 16, at=before), *job("2" * 16, at=after), *inline("3" * 16, at=after)])
    found = look(conn)

    assert found["no_summary"].evidence == "none of 1 jobs"
    assert found["no_start"].evidence == "none of 1 jobs"
    assert found["attempts"].verdict is Verdict.OK
    assert found["no_terminal"].evidence == "no inline runs to be judged"  # its first row is its terminal, later


@pytest.mark.usefixtures("events_table")
def test_one_lost_job_in_a_hundred_is_a_warning(conn: Connection) -> None:
    """No figure would notice; two in a hundred are wrong."""
    rows = [row for n in range(99) for row in job(f"{n:016x}")]
    insert(conn, [*rows, *without(job("f" * 16), "auto_assign.summary")])
    assert look(conn)["no_summary"].verdict is Verdict.WARNING

    insert(conn, without(job("e" * 16), "auto_assign.summary"))
    found = look(conn)["no_summary"]
    assert found.verdict is Verdict.WRONG
    assert found.evidence.startswith("2 of 101 jobs have no summary")
    assert found.examples == ("e" * 16, "f" * 16)


@pytest.mark.usefixtures("events_table")
def test_an_empty_table_tells_nothing(conn: Connection) -> None:
    """Nothing is wrong with no rows, and nothing can be concluded from them."""
    found = look(conn)
    assert worst(found.values()) is Verdict.CANNOT_TELL
    assert found["event_types"].evidence.startswith("no row of auto-assign is in the window; 0 in the 4 windows before")


@pytest.mark.usefixtures("events_table")
def test_rows_that_no_longer_come_are_wrong(conn: Connection) -> None:
    """There were rows before the window, and none in it."""
    insert(conn, job(at=NOON - timedelta(days=2)))
    assert look(conn)["event_types"].verdict is Verdict.WRONG


@pytest.mark.usefixtures("events_table")
def test_an_event_type_that_no_longer_comes_is_named(conn: Connection) -> None:
    """If it came often enough before that its absence is no chance."""
    gone = [replace(JOB[4], at=NOON - timedelta(days=1, minutes=n)) for n in range(20)]
    insert(conn, [*gone[:19], *without(JOB, "auto_assign.planner_cache_hit")])
    assert look(conn)["event_types"].verdict is Verdict.OK

    insert(conn, gone[19:])
    found = look(conn)["event_types"]
    assert found.verdict is Verdict.WARNING
    assert found.evidence.endswith("no longer seen: auto_assign.planner_cache_hit")


@pytest.mark.usefixtures("events_table")
def test_an_event_type_that_others_imply_is_wrong(conn: Connection) -> None:
    """Attempts without a single quote mean that quotes are not traced."""
    insert(conn, without(JOB, "auto_assign.quote"))
    found = look(conn)["event_types"]
    assert found.verdict is Verdict.WRONG
    assert "never seen: auto_assign.quote (there is auto_assign.attempt, so planner calls " in found.evidence


@pytest.mark.usefixtures("events_table")
def test_rows_of_the_years_before_us(conn: Connection) -> None:
    """Without our keys nothing contradicts itself: what is missing is said, and figures stay possible."""
    old = stripped([*JOB, *RUN], "job_id", "attemptId", "flags", "environment", "flow", "planner_calls", "late")
    insert(conn, old)
    found = look(conn)

    assert set(wrongs(found)) == {"no_flags", "no_environment", "no_job_id", "no_attempt_id"}
    assert found["no_summary"].evidence == "no jobs to be judged"


@pytest.mark.usefixtures("events_table")
def test_other_tools_rows_are_left_alone(conn: Connection) -> None:
    """A table full of them is as good as empty."""
    insert(conn, [Row("capacity.hold.created", {"job_id": "x"}, source=semconv.SOURCE_JOB) for _ in range(3)])
    assert set(wrongs(look(conn))) == {"event_types"}


@pytest.mark.usefixtures("events_table")
def test_contexts_of_any_kind_are_survived(conn: Connection) -> None:
    """Texts where numbers belong, numbers beyond a double, and contexts that are no objects."""
    odd: list[Any] = [
        None,
        [],
        5,
        "text",
        True,
        {"job_id": {}, "attemptsUsed": "n/a", "totalDurationMs": "12.5", "flags": 7},
    ]
    rows = [Row(event_type, context, source=semconv.SOURCE_JOB) for event_type in semconv.EVENTS for context in odd]
    insert(conn, rows)
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context) "
        "SELECT '2026-11-01', 'auto_assign', 'auto_assign.summary', "
        """'{"job_id": "j", "attemptsUsed": 1e400, "totalDurationMs": 1e-400, "durationMs": -1e400}'"""
    )
    assert look(conn)["unreadable"].verdict is Verdict.WRONG


@pytest.mark.usefixtures("events_table")
def test_filters_take_rows_away(conn: Connection) -> None:
    """What is left out raises no objection."""
    insert(conn, [*JOB, *job("c" * 16, environment="staging")[:-1]])
    assert look(conn)["no_summary"].verdict is Verdict.WRONG
    assert look(conn, filters=Filters(environments=("production",)))["no_summary"].verdict is Verdict.OK


@pytest.mark.usefixtures("events_table")
def test_the_rate_is_held_against_what_is_safe(conn: Connection) -> None:
    """Hours above it are counted, and the worst is named."""
    insert(conn, JOB)
    found = look(conn, limits=Limits(safe_hour=7))["ingest_rate"]
    assert found.verdict is Verdict.WARNING
    assert found.evidence == "more than 7 rows came in 1 hours, most of them (8) from 2026-11-01 12:00 UTC on"
    assert look(conn, limits=Limits(safe_hour=8))["ingest_rate"].verdict is Verdict.OK


@pytest.mark.usefixtures("events_table")
def test_writers_in_the_process_and_behind_a_collector(conn: Connection, server_dsn: str) -> None:
    """Both at once is a warning, one of them is not."""
    insert(conn, JOB)
    with psycopg.connect(server_dsn, application_name="otel-auto-assign"):
        assert look(conn)["writers"].verdict is Verdict.OK
        with psycopg.connect(server_dsn, application_name="otel-auto-assign-sink"):
            found = look(conn)["writers"]
    assert found.verdict is Verdict.WARNING
    assert "as otel-auto-assign-sink" in found.evidence


def test_a_table_of_another_shape_is_described(conn: Connection) -> None:
    """Columns that are missing or of another type, missing indexes and foreign keys."""
    create_events_table(conn, missing=("booking_id",), foreign_keys=False)
    conn.execute("ALTER TABLE observability_events ALTER COLUMN context TYPE json")
    conn.execute("DROP INDEX observability_events_created_at_idx")
    conn.execute("ALTER TABLE observability_events ALTER COLUMN context TYPE jsonb, ALTER source TYPE varchar(80)")
    found = look(conn)

    assert found["columns"].evidence == (
        "observability_events: source is character varying, not text; there is no booking_id"
    )
    assert found["references"].evidence.startswith("no foreign key on restaurant_id: ")
    assert found["indexes"].remedy == "CREATE INDEX CONCURRENTLY ON observability_events (created_at)"


@pytest.mark.usefixtures("events_table")
def test_hidden_rows_are_suspected(conn: Connection, dsn: str, schema: str) -> None:
    """Where row security is on for the role, missing rows may only be hidden."""
    insert(conn, JOB)
    role = f"reader_{schema}"
    conn.execute(f"CREATE ROLE {role}".encode())
    try:
        conn.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}".encode())
        conn.execute(f"GRANT SELECT ON observability_events TO {role}".encode())
        conn.execute("ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY")
        conn.execute(f"CREATE POLICY readers ON observability_events FOR SELECT TO {role} USING (true)".encode())
        with psycopg.connect(dsn) as reader:
            reader.execute(f"SET ROLE {role}".encode())
            reader.commit()
            assert look(reader)["hidden_rows"].verdict is Verdict.CANNOT_TELL
    finally:
        conn.execute(f"DROP OWNED BY {role}".encode())
        conn.execute(f"DROP ROLE {role}".encode())


@pytest.mark.usefixtures("events_table")
def test_what_others_know_is_added(conn: Connection) -> None:
    """The exporter's health comes from whoever can see it."""
    spool = Finding("spool", Verdict.WARNING, "7 rows wait")
    assert look(conn, others=[spool])["spool"] is spool
