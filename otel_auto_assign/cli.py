"""The command line: ``otel-auto-assign``. Needs the extra ``postgres`` and says so where it is missing.

Each command is a module of ``commands``; here they are put together, and here ends what goes wrong in any of them.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any, Final

from otel_auto_assign._version import __version__

try:
    import typer
    from typer.core import TyperGroup

    from otel_auto_assign.commands import exits
    from otel_auto_assign.commands.check import check
    from otel_auto_assign.commands.compare import show_comparison
    from otel_auto_assign.commands.doctor import show_doctor
    from otel_auto_assign.commands.gate import run_gate
    from otel_auto_assign.commands.reconcile import reconcile_jobs
    from otel_auto_assign.commands.report import show_report
    from otel_auto_assign.commands.settings import show_settings
    from otel_auto_assign.commands.sink import sink
    from otel_auto_assign.commands.spool import spool
except ModuleNotFoundError as missing:
    # Imported by the script's entry point and by nothing else, so leaving here is leaving the command.
    sys.stderr.write(f"otel-auto-assign needs {missing.name}: pip install 'otel-auto-assign[postgres]'\n")
    raise SystemExit(2) from None

EXTRA_OF: Final = {
    "psycopg": "postgres",
    "orjson": "postgres",
    "opentelemetry.sdk": "postgres",
    "scipy": "report",
    "numpy": "report",
    "grpc": "sink",
    "h11": "sink",
    "google": "sink",
    "confluent_kafka": "sink",
    "opentelemetry.proto": "sink",
}
"""What a command may find missing, and the extra that brings it."""


class _Commands(TyperGroup):
    """Turns what a command did not foresee into one sentence and an exit code that no verdict has."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as missing:
            extra = next((extra for name, extra in EXTRA_OF.items() if f"{missing.name}.".startswith(f"{name}.")), None)
            if extra is None:
                raise
            exits.leave(exits.USAGE, f"this command needs {missing.name}: pip install 'otel-auto-assign[{extra}]'")
        except OSError as error:
            exits.leave(exits.CRASHED, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        except Exception as error:
            if type(error).__module__.startswith(("click", "typer")):
                raise  # wrong usage, and what typer leaves by
            traceback.print_exc()
            exits.leave(exits.CRASHED, "this should not have happened: please report it with the lines above")


app = typer.Typer(
    name="otel-auto-assign",
    cls=_Commands,
    invoke_without_command=True,  # typer's own help without a command exits with 0 or 2, as its version has it
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=exits.EPILOG,
)
app.command(name="check")(check)
app.command(name="reconcile")(reconcile_jobs)
app.command(name="settings")(show_settings)
app.add_typer(spool, name="spool")
app.add_typer(sink, name="sink")
app.command(name="report")(show_report)
app.command(name="doctor")(show_doctor)
app.command(name="compare")(show_comparison)
app.command(name="gate")(run_gate)


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
        raise typer.Exit(exits.USAGE)


def main() -> None:
    """Run the command; the entry point of the installed script."""
    try:
        app()
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:  # a full disk, or a reader that has left
            # The interpreter would try again at its end, and say so in its own words.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.stderr.write(f"otel-auto-assign: the output could not be written: {error.strerror}\n")
            raise SystemExit(exits.CRASHED) from None


if __name__ == "__main__":
    main()
