"""``OTEL_AUTO_ASSIGN_TRACE_URL``: what ``report``, ``doctor`` and ``compare`` name leads to its trace."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner, Result

from otel_auto_assign import semconv
from otel_auto_assign.cli import app
from otel_auto_assign.settings import Settings
from tests.analysis.flows import job, without
from tests.analysis.page.pages import assert_sound
from tests.analysis.pilot import Pilot
from tests.analysis.rows import NOON, Row, insert

Connection = psycopg.Connection[Any]
TEMPLATE = "https://jaeger.example/trace/{trace_id}?a=1&b='2'"
DAY = ("--from", "2026-11-01", "--to", "2026-11-02")
FOUR_WEEKS = ("--from", "2026-09-01", "--to", "2026-09-29")
SLOW, ODD, HOSTILE = "a" * 32, "b" * 32, '"><script>alert(1)</script>'

pytestmark = pytest.mark.usefixtures("events_table")


@pytest.fixture(autouse=True)
def _template(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set it, and look at no spool of this machine's."""
    monkeypatch.setenv("OTEL_AUTO_ASSIGN_TRACE_URL", TEMPLATE)
    monkeypatch.setenv("OTEL_EXPORTER_OBSERVABILITY_EVENTS_SPOOL_DIRECTORY", str(tmp_path / "spool"))


def run(command: str, dsn: str, *arguments: str) -> Result:
    """Run a command on a database."""
    return CliRunner().invoke(app, [command, "--dsn", dsn, *arguments], env={"COLUMNS": "200"})


def url(trace_id: str) -> str:
    """Where a trace is shown."""
    return TEMPLATE.replace("{trace_id}", trace_id)


def quotes(**odd: Any) -> list[Row]:
    """A slow call, a quick one, and one whose duration cannot be read."""
    contexts: list[dict[str, Any]] = [
        {"durationMs": 300.126, "trace_id": SLOW},
        {"durationMs": 12.5, "trace_id": "c" * 32},
        {"durationMs": "long", "trace_id": ODD} | odd,
    ]
    return [Row(semconv.EVENT_QUOTE, context, source="auto_assign") for context in contexts]


def test_a_report_leads_to_the_slowest_and_to_the_unreadable(conn: Connection, dsn: str) -> None:
    """In sentences, as Markdown and as JSON."""
    insert(conn, quotes())
    said = [line for line in run("report", dsn, *DAY).stdout.splitlines() if "https:" in line]
    assert said[0] == f"The trace of the slowest planner call: {url(SLOW)}"
    assert said[1].startswith("Unreadable: 1 row of auto_assign.quote, a duration that is no number (for example ")
    assert said[1].endswith(f": {url(ODD)}).")
    assert len(said) == 2
    assert all(f"- {line}" in run("report", dsn, *DAY, "--markdown").stdout.splitlines() for line in said)
    found = json.loads(run("report", dsn, *DAY, "--json").stdout)
    assert found["slowest"] == {"planner call": url(SLOW)}
    assert [fault["trace"] for fault in found["unreadable"]] == [url(ODD)]


def test_on_the_page_they_are_links_and_escaped(conn: Connection, dsn: str) -> None:
    """As attributes as well as texts; the page is as sound as any."""
    insert(conn, quotes())
    page = run("report", dsn, *DAY, "--html", "-").stdout
    assert_sound(page, [url(SLOW), url(ODD)])
    for trace in (SLOW, ODD):
        escaped = url(trace).replace("&", "&amp;").replace("'", "&#x27;")
        assert f'<a href="{escaped}" rel="noreferrer">{escaped}</a>' in page


def test_what_is_no_trace_id_becomes_no_link(conn: Connection, dsn: str) -> None:
    """Whoever can write rows must not write addresses."""
    insert(conn, quotes(trace_id=HOSTILE))
    page = run("report", dsn, *DAY, "--html", "-").stdout
    assert_sound(page, [url(SLOW)])
    assert [fault["trace"] for fault in json.loads(run("report", dsn, *DAY, "--json").stdout)["unreadable"]] == [""]


@pytest.mark.parametrize("command", ["report", "doctor"])
def test_without_the_setting_there_are_none(
    monkeypatch: pytest.MonkeyPatch, conn: Connection, dsn: str, command: str
) -> None:
    """Nothing is asked for, and nothing said."""
    monkeypatch.delenv("OTEL_AUTO_ASSIGN_TRACE_URL")
    insert(conn, [*quotes(), *without(job(), "auto_assign.summary")])
    assert "https:" not in run(command, dsn, *DAY).stdout


def test_doctors_examples_lead_to_their_traces(conn: Connection, dsn: str) -> None:
    """A job that contradicts itself by its job_id, a row that cannot be read by its id; in every form."""
    rows = [
        replace(row, context=row.context | {"trace_id": SLOW}) for row in without(job(), "auto_assign.attempt")
    ]  # fmt: skip
    insert(conn, [*rows, quotes()[2]])
    asked = (*DAY, "--as-of", "2026-11-03")
    found = json.loads(run("doctor", dsn, *asked, "--json").stdout)["findings"]
    traces = {finding["check"]: finding["traces"] for finding in found}
    job_id = rows[0].context["job_id"]
    assert traces["attempts"] == {job_id: url(SLOW)}
    assert list(traces["unreadable"].values()) == [url(ODD)]
    assert traces["no_summary"] == {}
    lines = [line.strip() for line in run("doctor", dsn, *asked).stdout.splitlines()]
    assert {url(SLOW), url(ODD)} <= set(lines)
    assert f"(for example {job_id}) {url(SLOW)} |" in run("doctor", dsn, *asked, "--markdown").stdout


def test_a_comparisons_outliers_lead_to_their_traces(conn: Connection, dsn: str) -> None:
    """The largest of each measure, in its sentence, in JSON and as a link."""
    rows = Pilot().rows()
    place = next(at for at, row in enumerate(rows) if row.event_type == semconv.EVENT_QUOTE)
    long = {"durationMs": 2_576_035.004, "planner_duration_ms": 2_576_035.004, "trace_id": SLOW}
    rows[place] = replace(rows[place], context=rows[place].context | long)
    insert(conn, rows)
    outliers = json.loads(run("compare", dsn, *FOUR_WEEKS, "--json").stdout)["outliers"]
    (calls,) = [one for one in outliers if one["measure"] == "planner_calls_ms"]
    assert (calls["largest"][0], calls["traces"][0]) == (2_576_035.004, url(SLOW))
    assert f"the largest 2,576,035 ms ({url(SLOW)})" in run("compare", dsn, *FOUR_WEEKS).stdout
    page = run("compare", dsn, *FOUR_WEEKS, "--html", "-").stdout
    assert_sound(page, [url(SLOW)] * sum(one["traces"].count(url(SLOW)) for one in outliers))


@pytest.mark.parametrize(
    "template",
    [
        "http://localhost:16686/trace", "ftp://localhost/{trace_id}", "javascript:alert('{trace_id}')",
        "//localhost/{trace_id}", "http:///{trace_id}", "http://a:b/{trace_id}", "http://a/{trace_id}/{trace_id}",
        "http://a/ {trace_id}", 'http://a/"{trace_id}', "http://a/<b>{trace_id}", "http://[a/{trace_id}",
    ],
)  # fmt: skip
def test_what_is_no_template_is_refused(template: str) -> None:
    """With one sentence that shows a good one."""
    with pytest.raises(
        ValueError, match=r"must be an http or https URL with \{trace_id\} once, such as http://localhost"
    ):
        Settings(trace_url=template)


def test_a_bad_template_of_the_environment_costs_the_links_alone(
    monkeypatch: pytest.MonkeyPatch, conn: Connection, dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As any bad setting: a warning that names the variable, and the report without links."""
    monkeypatch.setenv("OTEL_AUTO_ASSIGN_TRACE_URL", "http://localhost/no-place")
    insert(conn, quotes())
    done = run("report", dsn, *DAY)
    assert done.exit_code == 0
    assert "http:" not in done.stdout
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "environment variable OTEL_AUTO_ASSIGN_TRACE_URL"
    ]
    assert NOON.isoformat()[:10] in done.stdout
