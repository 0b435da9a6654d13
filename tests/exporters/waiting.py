"""Rows that wait on disk, as processes leave them that have ended."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFT = """
    import os, sys
    from observability_events import records, segment
    from observability_events.rows import rows_of
    from observability_events.spool import Spool
    from tests.exporters.support import row, settings, span

    spool = Spool(settings(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        assert spool.append_span(rows_of, span())
    for severity in sys.argv[3:]:
        assert spool.append(segment.ROW, records.of_row(row(severity=severity)))
    os._exit(0)
"""
_LIVING = """
    import sys
    from observability_events.pipeline import Pipeline
    from observability_events.rows import rows_of
    from tests.exporters.support import settings, span

    pipeline = Pipeline(settings(sys.argv[1], durability="process", connect_timeout=2.0))
    for _ in range(int(sys.argv[2])):
        pipeline.accept(rows_of, span())
    print(flush=True)
    sys.stdin.read()
"""


def leave(dsn: str, spans: int = 3, *severities: str) -> None:
    """Have a process leave ``spans`` spans, and a row of each severity, for the table of ``dsn``, and end."""
    subprocess.run([sys.executable, "-c", textwrap.dedent(_LEFT), dsn, str(spans), *severities], check=True)


@contextmanager
def living(dsn: str, spans: int = 3) -> Iterator[subprocess.Popen[str]]:
    """Have a process live that was given ``spans`` spans, each on disk before its end returns; it is killed then."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_LIVING), dsn, str(spans)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        yield process
    finally:
        process.kill()
        process.communicate()
