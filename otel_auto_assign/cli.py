"""The command line: ``otel-auto-assign``. Needs the extra ``postgres`` and says so where it is missing."""

from __future__ import annotations

import dataclasses
import os
import sys
from typing import Annotated, Final

from otel_auto_assign._version import __version__
from otel_auto_assign.settings import ENV_FLAG_PLANNER_CACHE, ENV_FLAG_RETRY_POLICY_V2, Settings, settings_table

EXIT_USAGE: Final = 2
WIDE_ENOUGH: Final = 160  # columns; the widest row of the settings has 130

try:
    import typer
    from rich.console import Console
    from rich.table import Column, Table
except ModuleNotFoundError as missing:
    # Imported by the script's entry point and by nothing else, so leaving here is leaving the command.
    sys.stderr.write(f"otel-auto-assign needs {missing.name}: pip install 'otel-auto-assign[postgres]'\n")
    raise SystemExit(EXIT_USAGE) from None

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

app = typer.Typer(
    name="otel-auto-assign",
    invoke_without_command=True,  # typer's own help without a command exits with 0 or 2, as its version has it
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done; 2 wrong usage, or an extra is not installed.",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"otel-auto-assign {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    *,
    version: Annotated[  # noqa: ARG001 - its callback acts
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Traces and rows of automatic table assignment."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(EXIT_USAGE)


@app.command(name="settings")
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


def main() -> None:
    """Run the command; the entry point of the installed script."""
    app()


if __name__ == "__main__":
    main()
