"""The options by which commands are told of a rollout plan, and the days of its restaurants."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from otel_auto_assign.commands import exits

if TYPE_CHECKING:
    from otel_auto_assign.analysis.plans import Plan, Stage

Rollout = Annotated[
    Path | None,
    typer.Option("--rollout", metavar="FILE", help="The rollout plan, in TOML; by default the shipped one."),
]
Zone = Annotated[
    str,
    typer.Option(
        "--time-zone", metavar="NAME", help="Of the restaurants, as Europe/London: their days are told by it."
    ),
]


def plan_from(file: Path | None) -> Plan:
    """Read a plan; leaves with one sentence where it cannot be read or followed."""
    from otel_auto_assign.analysis.plan_files import default_plan, read_plan
    from otel_auto_assign.analysis.plans import PlanError

    try:
        return read_plan(default_plan() if file is None else file.read_text(encoding="utf-8"))
    except PlanError as error:
        exits.leave(exits.USAGE, f"{file or 'the shipped plan'}: {error}")
    except UnicodeDecodeError:
        exits.leave(exits.USAGE, f"{file}: a plan is TOML, in UTF-8")
    except OSError as error:
        exits.leave(exits.USAGE, f"--rollout {file}: {error.strerror}")


def stage_from(plan: Plan, name: str) -> Stage:
    """Give a stage by its name; leaves with one sentence where there is none."""
    from otel_auto_assign.analysis.plans import PlanError

    try:
        return plan.stage(name)
    except PlanError as error:
        exits.leave(exits.USAGE, f"--stage: {error}")


def zone_from(name: str) -> ZoneInfo:
    """Give a time zone; leaves with one sentence where nobody knows it."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # the last is its ZoneInfoNotFoundError
        exits.leave(exits.USAGE, f"--time-zone {name!r} is no time zone: write a name as Europe/London, or UTC")
