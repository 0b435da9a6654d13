"""A fork: the child begins empty, the parent keeps what waits."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import pytest

from observability_events.pipeline import Pipeline
from observability_events.rows import rows_of
from tests.exporters.support import count, span
from tests.postgres import Connection

if TYPE_CHECKING:
    from collections.abc import Callable


def _child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            logging.getLogger(__name__).exception("the child failed")
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.usefixtures("events_table")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of 3.12: what is tested here is that it works
def test_fork(conn: Connection, dsn: str, pipelines: Callable[..., Pipeline]) -> None:
    """The child begins empty, with a thread and a connection of its own; the parent writes what waited, once."""
    pipeline = pipelines(dsn, schedule_delay=60.0)
    pipeline.accept(rows_of, span())
    assert pipeline.flush(5)
    for _ in range(3):
        pipeline.accept(rows_of, span())

    def work() -> None:
        assert pipeline.accounts().accepted == 0
        for _ in range(2):
            pipeline.accept(rows_of, span())
        assert pipeline.flush(5)
        assert pipeline.accounts().committed == 2
        pipeline.shutdown()

    assert _child(work) == 0
    assert count(conn) == 3
    assert pipeline.flush(5)
    assert count(conn) == 6
    assert pipeline.accounts().committed == 4
