"""``python -m examples.zero_code``: start the application, use it, show two traces and the rows."""

from __future__ import annotations

import signal
import sys
from collections import Counter

from rich.console import Console
from rich.table import Table

from examples.zero_code.evening import QUEUED, TURNED_AWAY, Evening, orphans, spend
from examples.zero_code.services import MissingError, running
from examples.zero_code.tree import tree_of


def main() -> int:
    """Give the exit code: 0, 1 if something that was expected did not come, 2 if something is not installed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with running() as services:
            evening = spend(services)
    except MissingError as error:
        sys.stderr.write(f"zero_code: {error}\n")
        return 2
    show(Console(width=None if sys.stdout.isatty() else 120, highlight=False), evening)
    return 0 if evening.complete else 1


def show(console: Console, evening: Evening) -> None:
    """Print one trace from request to job, and the rows."""
    for booking in (QUEUED, TURNED_AWAY):
        trace = evening.trace(booking)
        console.print(f"\n[bold]One trace, from the request to its job: {booking}[/bold]  [dim]{trace[0].trace}[/dim]")
        console.print(tree_of(trace))
    table = Table("event type", *evening.bookings, box=None, title="Rows", title_justify="left")
    for kind in sorted(Counter(kind for kind, *_ in evening.rows)):
        table.add_row(kind, *(str(evening.kinds(booking).get(kind, "")) for booking in evening.bookings))
    console.print("")
    console.print(table)
    console.print(f"\n{len(evening.spans)} spans, {len(orphans(evening.spans))} of them without their parent")


if __name__ == "__main__":
    sys.exit(main())
