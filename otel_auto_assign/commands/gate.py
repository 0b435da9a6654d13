"""``otel-auto-assign gate``: may the next stage of the rollout start?"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from otel_auto_assign.analysis.windows import Window, span
from otel_auto_assign.commands import exits, on_fail
from otel_auto_assign.commands.compare import print_comparison
from otel_auto_assign.commands.database import Dsn, Table, reading, settings_for
from otel_auto_assign.commands.ledgers import ledger
from otel_auto_assign.commands.output import AsJson, AsMarkdown, console, one_form, print_grid
from otel_auto_assign.commands.progress import progress
from otel_auto_assign.commands.rollout import Rollout, Zone, plan_from, stage_from, zone_from
from otel_auto_assign.commands.windows import (
    PATIENCE_SECONDS,
    AsOf,
    From,
    Patience,
    Since,
    To,
    WithoutSources,
    now_from,
    window_from,
)

if TYPE_CHECKING:
    from otel_auto_assign.analysis.cohorts import Cohort
    from otel_auto_assign.analysis.gate import Result
    from otel_auto_assign.analysis.plans import Plan, Stage

LEDGER: Final = Path("gate.ndjson")
PLANNED_FROM: Final = "28d"
"""The baseline of a plan, where nobody says another."""


def run_gate(
    *,
    stage: Annotated[str, typer.Option("--stage", help="The stage of the plan that is looked at.")] = "",
    rollout: Rollout = None,
    show_plan: Annotated[
        bool,
        typer.Option("--show-plan", help="Print the rollout plan in force, to be copied and changed; nothing else."),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Before the stage starts: the days to an 80 % chance of each goal at this volume."),
    ] = False,
    since: Since = "",
    start: From = "",
    end: To = "",
    ledger_file: Annotated[
        Path, typer.Option("--ledger", metavar="FILE", help="Where each look is remembered; appended.")
    ] = LEDGER,
    on_fail_command: Annotated[
        str,
        typer.Option(
            "--on-fail",
            metavar="CMD",
            help="Run this when a guardrail is breached, and then only; no shell is between.",
        ),
    ] = "",
    watch: Annotated[
        str,
        typer.Option(
            "--watch", metavar="SPAN", help="Look every 15m, 1h … until a guardrail is breached or the date comes."
        ),
    ] = "",
    as_of: AsOf = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look, and neither remember it nor run anything.")] = False,
    exclude_source: WithoutSources = None,
    time_zone: Zone = "UTC",
    markdown: AsMarkdown = False,
    as_json: AsJson = False,
    dsn: Dsn = "",
    table: Table = "",
    patience: Patience = PATIENCE_SECONDS,
) -> None:
    """Look at a stage of the rollout, and say whether it passes.

    It passes at one look only, on the date that the plan fixed. Exits with 0 PASS, 10 HOLD or MARGINAL, 11
    INSUFFICIENT, 20 FAIL, 30 INVALID. --since, --from and --to go with --plan and say where the baseline is.
    """
    from otel_auto_assign.analysis.looks import Reader

    one_form(markdown=markdown, json=as_json)
    _agree(plan=plan, window=bool(since or start or end), watch=watch, as_of=as_of, on_fail_given=bool(on_fail_command))
    whole = plan_from(rollout)
    if show_plan:
        _show_plan(rollout)
    if not stage:
        exits.leave(exits.USAGE, f"--stage: name one of {', '.join(one.name for one in whole.stages)}")
    chosen = stage_from(whole, stage)
    zone, now = zone_from(time_zone), now_from(as_of)
    if now > datetime.now(UTC):
        exits.leave(exits.USAGE, f"--as-of {as_of}: that is still to come, and a look is at what there is")
    pause = _span(watch) if watch else None
    command = on_fail.arguments_of(on_fail_command) if on_fail_command else []
    settings = settings_for(dsn, table)
    sources = tuple(exclude_source or ())

    if plan:
        window = window_from(since or ("" if start else PLANNED_FROM), start, end, as_of)
        with reading(settings, patience) as connection, progress() as asking:
            reader = Reader(connection, now, settings.table, zone, sources, asking)
            cohort = reader.cohort(chosen, window, unsaid=True)
        _forecast(cohort, whole, chosen, window, markdown=markdown, as_json=as_json)

    from otel_auto_assign.analysis.gate import look_at, see

    while True:
        with ledger(ledger_file, dry=dry_run) as book:
            with reading(settings, patience) as connection, progress() as asking:
                seen = see(Reader(connection, now, settings.table, zone, sources, asking), chosen, book.looks)
            result = look_at(seen, whole, chosen, book.looks, now=now, zone=zone.key, decides=pause is None)
            book.append(result.look)
        _tell(result, command, dry=dry_run or bool(as_of), markdown=markdown, as_json=as_json)
        if pause is None or result.verdict.exit_code != exits.HOLD or result.look.as_of >= result.look.due:
            raise typer.Exit(result.verdict.exit_code)
        time.sleep(pause.total_seconds())
        now = datetime.now(UTC)


def _tell(result: Result, command: list[str], *, dry: bool, markdown: bool, as_json: bool) -> None:
    """Say what was found, and run what is to be run for a guardrail."""
    from otel_auto_assign.analysis import gate_text as text
    from otel_auto_assign.analysis.verdicts import Cause

    if as_json:
        typer.echo(json.dumps(text.as_json(result), indent=2))
    elif markdown:
        typer.echo(text.markdown(result), nl=False)
    else:
        out = console()
        out.print(text.headline(result), style="bold", markup=False)
        for sentence in text.sentences(result):
            out.print(sentence, markup=False, soft_wrap=True)
        out.print()
        print_comparison(out, result.comparison)
    if command and result.verdict.cause is Cause.GUARDRAIL:
        on_fail.run(command, json.dumps(text.as_json(result)), dry=dry)


def _forecast(cohort: Cohort, plan: Plan, stage: Stage, window: Window, *, markdown: bool, as_json: bool) -> NoReturn:
    """Say how long the stage takes, and leave: 0 if every goal can be decided, 10 if not, 11 if nobody can tell."""
    from otel_auto_assign.analysis import gate_text as text
    from otel_auto_assign.analysis.gate import forecast

    with progress(doing="reckoning") as reckoning:
        found = forecast(cohort, plan, stage, window, reckoning=reckoning)
    if as_json:
        typer.echo(json.dumps(text.forecast_json(found), indent=2))
    elif markdown:
        typer.echo(text.forecast_markdown(found), nl=False)
    else:
        out = console()
        out.print(text.forecast_title(found), style="bold", markup=False)
        print_grid(out, text.forecast_grid(found))
        for sentence in text.forecast_sentences(found):
            out.print(sentence, markup=False, soft_wrap=True)
    raise typer.Exit(exits.INSUFFICIENT if not found.known else exits.OK if found.decidable else exits.HOLD)


def _agree(*, plan: bool, window: bool, watch: str, as_of: str, on_fail_given: bool) -> None:
    """Leave where options contradict each other."""
    if window and not plan:
        exits.leave(exits.USAGE, "--since, --from and --to go with --plan: a look begins where the stage began")
    if plan and (watch or on_fail_given):
        exits.leave(exits.USAGE, "--plan goes without --watch and --on-fail: nothing has started yet")
    if watch and as_of:
        exits.leave(exits.USAGE, "--watch goes without --as-of: what is past does not change")


def _show_plan(rollout: Path | None) -> NoReturn:
    from otel_auto_assign.analysis.plan_files import default_plan

    typer.echo(default_plan() if rollout is None else rollout.read_text(encoding="utf-8"), nl=False)
    raise typer.Exit


def _span(said: str) -> timedelta:
    try:
        return span(said, "--watch")
    except ValueError as error:
        exits.leave(exits.USAGE, str(error))
