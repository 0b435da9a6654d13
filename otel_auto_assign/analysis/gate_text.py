"""What the gate says, as people and programs read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from otel_auto_assign.analysis import comparison_text
from otel_auto_assign.analysis.gate import Forecast, Prospect, Result
from otel_auto_assign.analysis.plans import Claim, Goal
from otel_auto_assign.analysis.power import Outlook
from otel_auto_assign.analysis.report_text import NOTHING, Grid, markdown_row
from otel_auto_assign.analysis.verdicts import Cause
from otel_auto_assign.settings import ENV_FLAG_PLANNER_CACHE, ENV_FLAG_RETRY_POLICY_V2

SWITCHES: Final = (ENV_FLAG_RETRY_POLICY_V2, ENV_FLAG_PLANNER_CACHE)
"""What is to be turned off when a guardrail is breached; the gate turns nothing itself."""


def headline(result: Result) -> str:
    """Give the verdict in one line."""
    cause = f" (cause: {result.verdict.cause})" if result.verdict.cause else ""
    return f"{result.stage.name}: {result.verdict.outcome}{cause}"


def sentences(result: Result) -> list[str]:
    """Say why, when the one look is, and what to do."""
    look = result.look
    said = [f"{reason[:1].upper()}{reason[1:]}." for reason in result.verdict.reasons]
    if look.final:
        said.append(f"This was the one look at the stage, due since {_day(look.due)}.")
    elif result.earlier is not None:
        said.append(
            f"The one look was taken on {_day(result.earlier.as_of)} and said {result.earlier.verdict}; "
            "looking again cannot pass."
        )
    elif look.as_of < look.due:
        said.append(
            f"The stage started on {_day(look.start)}, its one look is on {_day(look.due)}; until then nothing passes."
        )
    else:
        said.append("The date of the one look has come: run the gate without --watch.")
    said += [f"{outlook.sentence(so_far)}." for outlook, so_far in result.outlooks]
    if result.verdict.cause is Cause.GUARDRAIL:
        said.append(f"Turn off: {' '.join(f'{name}=false' for name in SWITCHES)}")
    return said


def markdown(result: Result) -> str:
    """Write the look as a Markdown page."""
    found = result.comparison
    lines = [f"# {headline(result)}", "", *(f"- {sentence}" for sentence in sentences(result)), ""]
    lines += [f"Read: {comparison_text.title(found)}.", "", *comparison_text.markdown_body(found)]
    return "\n".join(lines) + "\n"


def as_json(result: Result) -> dict[str, Any]:
    """Give the look as what JSON can say."""
    look, verdict = result.look, result.verdict
    return {
        "stage": look.stage,
        "verdict": str(verdict.outcome),
        "cause": str(verdict.cause) if verdict.cause else None,
        "exit_code": verdict.exit_code,
        "reasons": list(verdict.reasons),
        "turn_off": list(SWITCHES) if verdict.cause is Cause.GUARDRAIL else [],
        "as_of": look.as_of.isoformat(),
        "start": look.start.isoformat(),
        "due": look.due.isoformat(),
        "final": look.final,
        "plan": look.plan,
        "data": look.data,
        "versions": dict(look.versions or {}),
        "frozen": dict(look.frozen or {}),
        "outlook": [outlook_json(outlook) | {"in_words": outlook.sentence(days)} for outlook, days in result.outlooks],
        "comparison": comparison_text.as_json(result.comparison),
    }


def forecast_title(found: Forecast) -> str:
    """Say what was reckoned from what."""
    return f"{found.stage.name}, before it starts: {found.stage.days} days at exposure {found.stage.exposure:g}"


def forecast_grid(found: Forecast) -> Grid:
    """Give the table: the days each goal takes, and its chance at the date of the look."""
    header = ("what", "kind", f"chance after {found.stage.days} days", "days to 80 %")
    return Grid("Outlook", header, [_prospect(one) for one in found.prospects], 2)


def _prospect(one: Prospect) -> tuple[str, ...]:
    claim, days = one.outlook.claim, one.outlook.days
    kind = "guardrail" if not isinstance(claim, Goal) else "goal" if claim.decides else "goal, shown"
    chance = NOTHING if one.at_look is None else f"{one.at_look:.0%}"
    return (claim.name, kind, chance, NOTHING if days is None else f"{days}")


def forecast_sentences(found: Forecast) -> list[str]:
    """Say it in words."""
    said = [f"From {found.bookings} bookings in {found.days} days: {found.window}."]
    if not found.bookings:
        said = [f"There is nothing to reckon from: no booking with the flags off in {found.window}."]
    if found.unknown:
        here = f", and rows that name no environment for {found.stage.environment}'s" if found.stage.environment else ""
        said.append(f"{found.unknown} runs do not say their flags; for planning they are taken for off{here}.")
    reckoned = [one for one in found.prospects if one.at_look is not None and _decides(one.outlook.claim)]
    if reckoned:
        least = min(reckoned, key=lambda one: one.at_look or 0.0)
        said.append(
            f"At the look, after {found.stage.days} days, {least.outlook.claim.name} is the least likely to be shown: "
            f"{least.at_look:.0%}. The stage passes no more often than that."
        )
    said += [f"{one.outlook.sentence()}." for one in found.prospects if one.outlook.why or not one.outlook.decidable]
    return said


def forecast_markdown(found: Forecast) -> str:
    """Write the outlook as a Markdown page."""
    grid = forecast_grid(found)
    rule = ["---"] * (len(grid.header) - grid.numbers) + ["---:"] * grid.numbers
    lines = [f"# {forecast_title(found)}", "", markdown_row(grid.header), markdown_row(rule)]
    lines += [*map(markdown_row, grid.rows), "", *(f"- {sentence}" for sentence in forecast_sentences(found))]
    return "\n".join(lines) + "\n"


def forecast_json(found: Forecast) -> dict[str, Any]:
    """Give the outlook as what JSON can say."""
    return {
        "stage": found.stage.name,
        "days": found.stage.days,
        "exposure": found.stage.exposure,
        "baseline": {"bookings": found.bookings, "days": found.days, "runs_without_flags": found.unknown},
        "prospects": [
            outlook_json(one.outlook) | {"chance_at_look": one.at_look, "in_words": one.outlook.sentence()}
            for one in found.prospects
        ],
    }


def outlook_json(outlook: Outlook) -> dict[str, Any]:
    """Give one outlook as what JSON can say."""
    return {
        "name": outlook.claim.name,
        "days": outlook.days,
        "decidable": outlook.decidable,
        "chances": [{"days": days, "chance": chance} for days, chance in outlook.chances],
        "instead": [{"statistic": name, "days": days} for name, days in outlook.instead],
        "why": outlook.why,
    }


def _decides(claim: Claim) -> bool:
    return not isinstance(claim, Goal) or claim.decides


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
