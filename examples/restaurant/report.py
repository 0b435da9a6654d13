"""What a person sees at the end of the demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import psycopg
from opentelemetry.sdk.trace import ReadableSpan
from rich.console import Console
from rich.markup import escape
from rich.syntax import Syntax
from rich.table import Table

from examples.restaurant.evidence import Evidence
from examples.restaurant.phases import PhaseRun
from examples.restaurant.questions import Question, Verdict
from examples.restaurant.trace_tree import context_of, telling_job, tree_of
from otel_auto_assign.analysis import comparison_text, doctor, figures
from otel_auto_assign.analysis.comparison import Comparison, compare
from otel_auto_assign.analysis.figures import Figure
from otel_auto_assign.analysis.judging import Finding
from otel_auto_assign.analysis.looks import Reader
from otel_auto_assign.analysis.page.comparison import comparison_page
from otel_auto_assign.analysis.page.curves import read_curves
from otel_auto_assign.analysis.page.reasons import read_reasons
from otel_auto_assign.analysis.page.report import SPLIT, report_page
from otel_auto_assign.analysis.plan_files import default_plan, read_plan
from otel_auto_assign.analysis.plans import Unit
from otel_auto_assign.analysis.report_text import Grid
from otel_auto_assign.analysis.windows import Window
from otel_auto_assign.commands.doctor import print_findings
from otel_auto_assign.commands.output import print_grid

SHOWN: Final = (
    # label, metric and dimension of the contract's §7
    ("planner p50, without cache hits", "planner_duration_p50_ms", "cache_hits=excluded"),
    ("planner p50, with", "planner_duration_p50_ms", "all"),
    ("planner p95, without cache hits", "planner_duration_p95_ms", "cache_hits=excluded"),
    ("planner p95, with", "planner_duration_p95_ms", "all"),
    ("planner answers from the cache", "planner_cache_hit_pct", "all"),
    ("attempts a booking, average", "job_attempts_avg", "all"),
    ("attempts a booking, p95", "job_attempts_p95", "all"),
    ("jobs that succeeded", "job_success_rate_pct", "outcome=decided"),
    ("  their duration, p50", "job_success_duration_p50_ms", "all"),
    ("  their duration, p95", "job_success_duration_p95_ms", "all"),
    ("inline runs that succeeded", "inline_success_rate_pct", "outcome=decided"),
    ("  quotes with a hold, late ones too", "inline_success_rate_pct", "all"),
    ("inline quote p95, without late ones", "inline_duration_p95_ms", "late=excluded"),
    ("inline quote p95, with", "inline_duration_p95_ms", "all"),
)
DEMO_LIMITS: Final = doctor.Limits(silence=timedelta(), safe_hour=1_000_000)  # a day in half a minute
ILLUSTRATION: Final = (
    "An illustration, and no more: one run each. Two windows differ by more than their flags, all of it happened "
    "on one day, and what differs between days, or would between two runs of the same, was never seen."
)
PAGES: Final = ("report.html", "comparison.html")
_UNITS: Final = {"ms": " ms", "pct": " %"}


def heading(console: Console, text: str, note: str = "") -> None:
    """Print a section's title, and in one line what it is."""
    console.print(f"\n[bold]{text}[/bold]" + (f"  [dim]{note}[/dim]" if note else ""))


def print_rows(console: Console, conn: psycopg.Connection[Any], runs: Sequence[PhaseRun]) -> None:
    """Print how many rows of each event type each phase wrote."""
    counts: dict[str, list[int]] = {}
    for column, run in enumerate(runs):
        found = conn.execute(
            "SELECT event_type, count(*) FROM observability_events WHERE created_at >= %s AND created_at < %s "
            "GROUP BY event_type",
            (run.window.start, run.window.end),
        )
        for event, count in found:
            counts.setdefault(event, [0] * len(runs))[column] = count
    total = sum(map(sum, counts.values()))
    heading(console, "Rows by event type", f"{total:,} in observability_events")
    table = _side_by_side(runs)
    for event in sorted(counts, key=lambda name: (name.startswith("inline"), name)):
        table.add_row(event, *(f"{count:,}" if count else "[dim]·[/dim]" for count in counts[event]))
    console.print(table)


def print_verdicts(console: Console, verdicts: Sequence[Verdict]) -> None:
    """Print the invariants, each with the number of its violations."""
    heading(console, "Invariants", "of the data contract, asked of the database; files in invariants/")
    for verdict in verdicts:
        if verdict.violations:
            example = escape(verdict.example)
            console.print(f"  [red]{verdict.violations} violations[/red]  {verdict.title}: {example}", soft_wrap=True)
        else:
            console.print(f"  [green]0 violations[/green]  {verdict.title}", soft_wrap=True)


def print_trace(console: Console, spans: Sequence[ReadableSpan]) -> None:
    """Print one job's trace."""
    trace = telling_job(spans)
    if not trace:
        return
    heading(console, "One job's trace", f"trace id {context_of(trace[0]).trace_id:032x}")
    console.print(tree_of(trace), no_wrap=True, overflow="ellipsis")


def print_figures(console: Console, runs: Sequence[PhaseRun], computed: Sequence[Sequence[Figure]]) -> None:
    """Print the figures of both phases side by side."""
    heading(console, "Figures", "one run each: an illustration, not a verdict; n is the sample")
    table = _side_by_side(runs)
    by_key = [{(figure.metric, figure.dimension): figure for figure in phase} for phase in computed]
    for label, metric, dimension in SHOWN:
        table.add_row(label, *(_value(phase, metric, dimension) for phase in by_key))
    console.print(table)


def examine_both(conn: psycopg.Connection[Any], runs: Sequence[PhaseRun]) -> list[doctor.Finding]:
    """Let doctor look at the rows of both phases; all is over, so nothing may still run."""
    window = Window(runs[0].window.start, runs[-1].window.end)
    return doctor.examine(conn, window, now=datetime.now(UTC), limits=DEMO_LIMITS)


def print_doctor(console: Console, findings: Sequence[doctor.Finding]) -> None:
    """Print what doctor says of the rows, as `otel-auto-assign doctor` would: only what is not well."""
    heading(console, "Doctor", f"are the rows complete? {len(findings)} checks, shown where one is not ok")
    print_findings(console, findings, all_of_them=False)


def compare_both(conn: psycopg.Connection[Any], runs: Sequence[PhaseRun]) -> Comparison:
    """Compare the phases as two windows of time, against what the shipped plan wants proved."""
    plan = read_plan(default_plan())
    stage = replace(plan.stage("proof"), unit=Unit.WINDOW, environment="")
    before, window = (run.window for run in runs)
    sides = Reader(conn, datetime.now(UTC), "observability_events", ZoneInfo("UTC")).sides(stage, window, before=before)
    return compare(sides, stage, window, before=before, correlation=plan.correlation)


def print_comparison(console: Console, found: Comparison) -> None:
    """Print the team's template as `otel-auto-assign compare` fills it in, and what came of the plan's goals."""
    heading(console, "Comparison", "the phases as two windows; n is that of flags off / flags on")
    template = comparison_text.grids(found)[0]
    columns = len(template.header) - 2  # effective n and what was needed have no room here
    rows = [row[:columns] for row in template.rows]
    print_grid(console, Grid("", template.header[:columns], rows, columns - 1))
    console.print(ILLUSTRATION)
    for sentence in comparison_text.remarks(found):
        if not sentence.startswith(("Left out", "Outliers")):  # calls of the other phase, and what none would miss here
            console.print(sentence, style="dim", markup=False)
    for finding in Finding:
        names = [one.claim.name for one in found.judgements if one.finding is finding]
        if names:
            console.print(f"  {finding}: {', '.join(names)}")


def pages_of_both(conn: psycopg.Connection[Any], runs: Sequence[PhaseRun], found: Comparison) -> list[str]:
    """Make the pages of `PAGES`: both phases as one window, and the phases against each other."""
    window = Window(runs[0].window.start, runs[-1].window.end)
    report = figures.report(conn, window, splits=[SPLIT])
    reasons = read_reasons(conn, runs[-1].window, before=runs[0].window)
    return [report_page(report, read_curves(conn, window)), comparison_page(found, reasons, [ILLUSTRATION])]


def print_queries(console: Console, queries: Sequence[Question]) -> None:
    """Print queries to paste."""
    heading(console, "Three queries to paste", "into the psql that `--then psql` opens")
    for query in queries:
        console.print(f"[dim]-- {query.title}[/dim]")
        console.print(Syntax(query.statement, "sql", theme="ansi_dark", background_color="default", word_wrap=True))


def print_evidence(console: Console, evidence: Sequence[Evidence]) -> None:
    """Print what must occur, and how often it did."""
    heading(console, "It truly occurred")
    for item in evidence:
        times = f"[green]{item.times:>5} x[/green]" if item.times else "[red]never  [/red]"
        console.print(f"  {times}  {item.what}")


def _side_by_side(runs: Sequence[PhaseRun]) -> Table:
    table = Table(box=None, padding=(0, 0, 0, 2))
    table.add_column("", min_width=42, no_wrap=True)
    for run in runs:
        table.add_column(
            f"flags {'on' if run.phase.flags_on else 'off'}",
            justify="right",
            min_width=18,
            header_style="dim",
            no_wrap=True,
        )
    return table


def _value(phase: Mapping[tuple[str, str], Figure], metric: str, dimension: str) -> str:
    figure = phase.get((metric, dimension))
    if figure is None or figure.value is None:
        return "[dim]-[/dim]"
    return f"{figure.value:,.1f}{_UNITS.get(figure.unit, '')} [dim]n={figure.sample_size:<5,}[/dim]"
