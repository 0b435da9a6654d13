"""``otel-auto-assign settings``: what is in force, and where it comes from."""

from __future__ import annotations

import dataclasses
import os
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from otel_auto_assign.settings import ENV_FLAG_PLANNER_CACHE, ENV_FLAG_RETRY_POLICY_V2, Settings, settings_table

WIDE_ENOUGH: Final = 160  # columns; the widest row of the settings has 130

SETTINGS_PAGE: Final = f"""\
# Settings

Each setting is read from its environment variable, or given to `Settings(...)` in code, which comes first. A bad value
in the environment is reported in the log and the default taken; in code it raises `ValueError`. An empty variable
counts as not set. `otel-auto-assign settings` shows what is in force.

The flags written on every span and row come from a flag provider; the default one reads `{ENV_FLAG_RETRY_POLICY_V2}`
and `{ENV_FLAG_PLANNER_CACHE}` (the cache counts only under retry policy v2).

{{table}}
<!-- Made by `make docs`. -->
"""


def show_settings(
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/settings.md instead.")] = False,
) -> None:
    """Show the settings in force, where each comes from, and whether its variable is set."""
    if markdown:
        typer.echo(SETTINGS_PAGE.format(table=settings_table()), nl=False)
    else:
        console = Console()
        if not console.is_terminal:
            console.width = WIDE_ENOUGH  # a pipe has no width: nothing is folded there
        console.print(_settings_in_force())


def _settings_in_force() -> Table:
    settings = Settings.from_environment()
    table = Table("setting", "value", "unit", "set", Column("environment variable", overflow="fold"), box=None)
    for spec in dataclasses.fields(settings):
        variables: tuple[str, ...] = spec.metadata["env"]
        named = next((name for name in variables if os.environ.get(name, "").strip()), None)
        value = getattr(settings, spec.name)
        secret = not spec.repr
        shown = ("(not shown)" if value else "") if secret else str(value)
        table.add_row(spec.name, shown, spec.metadata["unit"], "yes" if named else "no", named or variables[0])
    return table
