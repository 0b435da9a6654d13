"""``otel-auto-assign compare``: the team's template, and which goals the data reach."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from otel_auto_assign.analysis.events import Filters
from otel_auto_assign.analysis.windows import Window, window_of
from otel_auto_assign.commands import exits
from otel_auto_assign.commands.database import Dsn, Table, reading, settings_for
from otel_auto_assign.commands.output import (
    AsHtml,
    AsJson,
    AsMarkdown,
    console,
    one_form,
    page_file,
    print_grid,
    write_page,
)
from otel_auto_assign.commands.progress import progress
from otel_auto_assign.commands.rollout import Rollout, Zone, plan_from, stage_from, zone_from
from otel_auto_assign.commands.windows import (
    PATIENCE_SECONDS,
    AsOf,
    Environments,
    From,
    Patience,
    Restaurants,
    Since,
    To,
    WithoutSources,
    now_from,
    window_from,
)

if TYPE_CHECKING:
    from otel_auto_assign.analysis.comparison import Comparison
    from otel_auto_assign.analysis.plans import Stage
    from otel_auto_assign.analysis.verdicts import Verdict

USUAL_STAGE: Final = "proof"
"""Its goals are judged where no stage is named: it has all that the team wants to know."""
USUAL_EXPOSURE: Final = 0.5
"""Of days that are switched in pairs."""
NO_GATE: Final = "A comparison, and no gate: only the gate's one look, fixed before the data, lets a stage pass."


def show_comparison(
    *,
    since: Since = "",
    start: From = "",
    end: To = "",
    baseline_from: Annotated[
        str, typer.Option("--baseline-from", metavar="TIME", help="Of windows: where the baseline begins.")
    ] = "",
    baseline_to: Annotated[
        str, typer.Option("--baseline-to", metavar="TIME", help="Of windows: where the baseline ends.")
    ] = "",
    as_of: AsOf = "",
    unit: Annotated[
        str,
        typer.Option(
            "--unit", help="What was switched as a whole: restaurant-day, booking or window; else the stage's."
        ),
    ] = "",
    exposure: Annotated[
        float | None,
        typer.Option("--exposure", help="The share of units that had the flags on; else the stage's, or 0.5."),
    ] = None,
    rollout: Rollout = None,
    stage: Annotated[
        str, typer.Option("--stage", help="The stage whose goals are judged; by default proof's, for any environment.")
    ] = "",
    environment: Environments = None,
    restaurant: Restaurants = None,
    exclude_source: WithoutSources = None,
    time_zone: Zone = "UTC",
    markdown: AsMarkdown = False,
    as_json: AsJson = False,
    html: AsHtml = "",
    dsn: Dsn = "",
    table: Table = "",
    patience: Patience = PATIENCE_SECONDS,
) -> None:
    """Compare what had the flags on with what had them off: the team's template, and each goal.

    Exits with 30 if the two cannot be compared, 20 if a goal is missed or a guardrail breached, 11 if there are too
    few data for one of them, 10 if one is undecided or all is marginal at best, 0 if every one is met or held.
    """
    from otel_auto_assign.analysis.comparison import compare, traced
    from otel_auto_assign.analysis.looks import Reader
    from otel_auto_assign.analysis.traces import Tracing
    from otel_auto_assign.analysis.verdicts import decide

    one_form(markdown=markdown, json=as_json, html=bool(html))
    plan = plan_from(rollout)
    chosen = _stage(stage_from(plan, stage or USUAL_STAGE), unit, exposure, named=bool(stage))
    chosen = _filtered(chosen, environment, restaurant)
    window = window_from(since, start, end, as_of)
    before = _before(chosen, baseline_from, baseline_to, as_of)
    zone, now = zone_from(time_zone), now_from(as_of)
    settings = settings_for(dsn, table)
    file = page_file(html) if html else None
    with reading(settings, patience) as connection, progress() as asking:
        reader = Reader(connection, now, settings.table, zone, tuple(exclude_source or ()), asking)
        sides = reader.sides(chosen, window, before=before)
        found = compare(sides, chosen, window, before=before, correlation=plan.correlation)
        environments = (chosen.environment,) if chosen.environment else ()
        filters = Filters(environments, chosen.restaurants, reader.without_sources)
        read = Window(min(window.start, before.start if before else window.start), max(now, window.end))
        found = traced(found, Tracing(settings.trace_url, connection, settings.table, read, filters))
        if html:
            from otel_auto_assign.analysis.page.comparison import comparison_page
            from otel_auto_assign.analysis.page.reasons import read_reasons

            reasons = read_reasons(
                connection, window, before=before, table=settings.table, filters=filters, asking=asking
            )
    verdict = decide(found.judgements, faults=found.faults, caps=found.caps, at_look=True)
    if html:
        write_page(file, comparison_page(found, reasons, [NO_GATE]))
    else:
        _show(found, verdict, markdown=markdown, json_wanted=as_json)
    raise typer.Exit(verdict.exit_code)


def print_comparison(out: Console, found: Comparison) -> None:
    """Print a comparison for the terminal."""
    from otel_auto_assign.analysis import comparison_text as text

    out.print(text.title(found), style="bold", markup=False)
    for grid in text.grids(found):
        out.print()
        print_grid(out, grid)
    out.print()
    for remark in text.remarks(found):
        out.print(remark, markup=False, soft_wrap=True)


def _show(found: Comparison, verdict: Verdict, *, markdown: bool, json_wanted: bool) -> None:
    from otel_auto_assign.analysis import comparison_text as text

    if json_wanted:
        typer.echo(json.dumps(text.as_json(found) | {"exit_code": verdict.exit_code}, indent=2))
    elif markdown:
        typer.echo(f"{text.markdown(found)}- {NO_GATE}")
    else:
        out = console()
        print_comparison(out, found)
        out.print(NO_GATE, style="dim", soft_wrap=True)


def _stage(stage: Stage, unit: str, exposure: float | None, *, named: bool) -> Stage:
    """The stage with what the command line says instead; of one that nobody named only the goals count."""
    from otel_auto_assign.analysis.plans import Unit, listed

    if unit and unit not in set(Unit):
        exits.leave(exits.USAGE, f"--unit {unit}: it can be {listed(Unit)}")
    if exposure is not None and not 0 < exposure < 1:
        exits.leave(exits.USAGE, f"--exposure {exposure:g}: a comparison needs one between 0 and 1")
    if not named:
        stage = replace(stage, exposure=USUAL_EXPOSURE, environment="", restaurants=())
    stage = replace(
        stage,
        unit=Unit(unit) if unit else stage.unit,
        exposure=stage.exposure if exposure is None else exposure,
    )
    if stage.unit is not Unit.WINDOW and not 0 < stage.exposure < 1:
        exits.leave(
            exits.USAGE,
            f"--stage {stage.name}: at exposure {stage.exposure:g} there is no comparison possible, one side is empty; "
            "two windows are compared by --unit window",
        )
    return stage


def _filtered(stage: Stage, environments: list[str] | None, restaurants: list[str] | None) -> Stage:
    if environments and len(environments) > 1:
        exits.leave(exits.USAGE, "--environment: one at a time is compared, environments differ in more than flags")
    return replace(
        stage,
        environment=environments[0] if environments else stage.environment,
        restaurants=tuple(restaurants) if restaurants else stage.restaurants,
    )


def _before(stage: Stage, start: str, end: str, as_of: str) -> Window | None:
    """The baseline's window, which windows need and nothing else takes."""
    from otel_auto_assign.analysis.plans import Unit

    of_windows = stage.unit is Unit.WINDOW
    if of_windows and not (start and end):
        exits.leave(
            exits.USAGE, "--unit window compares two windows: give the other one by --baseline-from and --baseline-to"
        )
    if not of_windows:
        if start or end:
            exits.leave(exits.USAGE, f"--baseline-from and --baseline-to go with --unit window, not with {stage.unit}")
        return None
    try:
        return window_of(start=start, end=end, as_of=as_of, now=datetime.now(UTC))
    except ValueError as error:
        exits.leave(exits.USAGE, f"of the baseline, {error}")
