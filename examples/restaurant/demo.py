"""The demo: sets the stage, runs both phases, reports, and cleans up whatever happens."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from examples.restaurant import report
from examples.restaurant.clock import HouseRules
from examples.restaurant.evidence import gather, shortcomings
from examples.restaurant.instrumented import INSTRUMENTED
from examples.restaurant.options import Options, UsageError, parse
from examples.restaurant.phases import PHASES, PhaseRun, open_restaurants, run_phase
from examples.restaurant.questions import ask, read_questions
from examples.restaurant.requests import CsvError, Request, generate, read_csv
from examples.restaurant.sandbox import Sandbox, forget_other_databases, open_sandbox
from examples.restaurant.stop import ENDING_SIGNALS, Stop, StoppedError
from examples.restaurant.then import run_then
from examples.restaurant.tracing import InProcess, Tracing
from otel_auto_assign import Settings
from otel_auto_assign.analysis.figures import figures, write_csv

Way = Callable[[Options, Sandbox, Stop], AbstractContextManager[Tracing]]
"""Lays the way from spans to rows, for as long as the demo runs."""


@contextmanager
def in_process(options: Options, sandbox: Sandbox, _stop: Stop) -> Iterator[Tracing]:
    """Have the demo's own process write the rows."""
    yield InProcess(settings_of(options, sandbox))


def main(arguments: list[str], way: Way = in_process) -> int:
    """Run the demo.

    Gives its exit code: 0, 1 if something that must occur did not, 2 if it was asked wrongly, 128 + n if signal n ended
    it; else that of the command given by ``--then``.
    """
    stop, received = Stop(), []

    def end(number: int, _frame: object) -> None:
        received.append(number)
        stop.now()

    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, and a shell's `&`: not ours to hear again
            signal.signal(number, end)
    try:
        options = parse(arguments)
        requests = generate(options.seed) if options.bookings is None else read_csv(options.bookings)
        _prepare_folder(options.out)
        forget_other_databases(os.environ)
        with open_sandbox(options.dsn) as sandbox, way(options, sandbox, stop) as tracing:
            code = _run(options, requests, sandbox, stop, tracing)
            if options.then is not None:
                code = run_then(options.then, sandbox, stop, **tracing.environment()) or code
            stop.check()
            return code
    except StoppedError:
        return 128 + received[0]
    except (UsageError, CsvError) as error:
        sys.stderr.write(f"restaurant: {error}\n")
        return 2


def _run(options: Options, requests: Sequence[Request], sandbox: Sandbox, stop: Stop, tracing: Tracing) -> int:
    try:
        console = Console(width=None if sys.stdout.isatty() else 100, highlight=False)
        restaurants = open_restaurants(sandbox.dsn, requests)
        console.print(
            f"[bold]{len(requests)} requests, {restaurants} restaurants, one day, twice[/bold]  "
            f"[dim]{sandbox.server}, scale {options.scale:g}[/dim]"
        )
        runs = []
        for phase in PHASES:
            stop.check()
            with _progress(console, phase.label, len(requests)) as settled:
                run = run_phase(
                    phase,
                    requests,
                    dsn=sandbox.dsn,
                    scale=options.scale,
                    parts=INSTRUMENTED,
                    stop=stop,
                    settled=settled,
                    flush=tracing.flush,
                )
            console.print(
                f"  {phase.label:<9} {run.seconds:5.1f} s  "
                f"[dim]{run.seated} of {run.bookings} bookings have their tables in the end[/dim]"
            )
            runs.append(run)
    finally:
        tracing.close()
    return _report(console, options, sandbox, runs, tracing)


def _report(console: Console, options: Options, sandbox: Sandbox, runs: list[PhaseRun], tracing: Tracing) -> int:
    with psycopg.connect(sandbox.dsn, autocommit=True) as conn:
        conn.execute("ANALYZE observability_events")  # new rows: without it the planner of the questions guesses
        computed = [figures(conn, run.window) for run in runs]
        verdicts = [ask(conn, question) for question in read_questions("invariants")]
        evidence = gather(conn, runs)
        findings = report.examine_both(conn, runs)
        comparison = report.compare_both(conn, runs)
        pages = report.pages_of_both(conn, runs, comparison)
        report.print_rows(console, conn, runs)
    report.print_verdicts(console, verdicts)
    report.print_trace(console, tracing.keeper.spans())
    report.print_figures(console, runs, computed)
    report.print_doctor(console, findings)
    report.print_comparison(console, comparison)
    report.print_queries(console, read_questions("queries"))
    report.print_evidence(console, evidence)
    for run, found in zip(runs, computed, strict=True):
        with (options.out / f"{run.phase.name}.csv").open("w", encoding="utf-8", newline="") as file:
            write_csv(file, run.window, found)
    written = ", ".join(str(options.out / f"{run.phase.name}.csv") for run in runs)
    console.print(f"\nWritten: {written}", soft_wrap=True, markup=False)  # a path that is folded cannot be copied
    for name, page in zip(report.PAGES, pages, strict=True):
        (options.out / name).write_text(page, encoding="utf-8")
    listed = ", ".join(str(options.out / name) for name in report.PAGES)
    console.print(f"Pages: {listed} (an illustration: one run each, as unit window)", soft_wrap=True, markup=False)
    problems = tracing.look(console) + shortcomings(
        evidence if options.is_default_day else [], verdicts, written=tracing.written(), lost=tracing.lost()
    )
    sys.stderr.writelines(f"restaurant: {problem}\n" for problem in problems)
    return 1 if problems else 0


def settings_of(options: Options, sandbox: Sandbox) -> Settings:
    """Set everything here: no variable of the environment has a say in where the demo writes."""
    rules = HouseRules()
    return Settings(
        dsn=sandbox.dsn,
        table=f"{sandbox.schema}.observability_events",
        profiling=options.profiling,
        inline_timeout=rules.inline_timeout.total_seconds() * options.scale,
        stage_threshold=rules.slow_stage.total_seconds() * options.scale,
    )


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise UsageError(f"--out {folder}: cannot be written to: {error.strerror}") from None


@contextmanager
def _progress(console: Console, label: str, total: int) -> Iterator[Callable[[], object]]:
    """Show a bar while the block runs, and none off a terminal; give what is to be called once a request."""
    columns = (TextColumn(f"  {label:<9}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)
