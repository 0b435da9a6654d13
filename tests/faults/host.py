"""A host application that hands spans over, and the one place where it is asserted what must hold after every fault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg

from observability_events.pipeline import Pipeline
from observability_events.refusals import REFUSED
from observability_events.rows import rows_of
from tests.exporters.support import read, settings, span
from tests.faults.spool_folder import ids_on_disk
from tests.postgres import TABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from opentelemetry.sdk.trace import ReadableSpan

    from observability_events.rows import Row
    from observability_events.writer import Writer
    from otel_auto_assign.settings import Settings


class Host:
    """A pipeline into a table, with the ids of all rows that it has accepted or refused.

    Attributes:
        pipeline: The one under test.
        table: Where its rows go.
        seen_by: A DSN by which the table can be looked at, if it is not the test's own.
        accepted: The ids of the rows of what was taken.
        refused: Id → SQLSTATE of the rows that the database will never take.
    """

    def __init__(
        self,
        dsn: str,
        *,
        table: str = TABLE,
        seen_by: str | None = None,
        writer: Callable[[Settings], Writer] | None = None,
        **changes: Any,
    ) -> None:
        self.table = table
        self.seen_by = seen_by
        self.accepted: list[UUID] = []
        self.refused: dict[UUID, str] = {}
        self.pipeline = Pipeline(settings(dsn, table=table, **changes), writer=writer, on_refused=self._refused)

    def _refused(self, row: Row, reason: str, sqlstate: str, text: str) -> bool:
        assert row.id not in self.refused, "refused twice"
        self.refused[row.id] = sqlstate or text
        return False

    def give(self, count: int = 1, **attributes: Any) -> list[UUID]:
        """Hand ``count`` quotes over; give the ids of their rows."""
        return [key for _ in range(count) for key in self.give_span(span(**attributes))]

    def give_span(self, given: ReadableSpan, make: Callable[[Any], Sequence[Row]] = rows_of) -> list[UUID]:
        """Hand a span over, whose rows ``make`` gives; give their ids if it was taken."""
        ids = [row.id for row in make(given)]
        taken = self.pipeline.accept(make, given)
        if taken:
            self.accepted += ids
        return ids if taken else []

    def give_rows(self, *rows: Row) -> list[UUID]:
        """Hand rows over as they are, as one span's."""
        return self.give_span(span(), lambda _: rows)

    def give_broken(self, given: ReadableSpan) -> None:
        """Hand a span over whose rows cannot be made."""
        assert self.pipeline.accept(rows_of, given)

    def settles(self, seconds: float = 10.0) -> bool:
        """Whether all that was handed over is settled within ``seconds``."""
        return self.pipeline.flush(seconds)

    @property
    def waiting(self) -> int:
        """How many pieces have no place in the table yet and may get one."""
        return self.pipeline.accounts().pending


def assert_all_have_a_place(dsn: str, hosts: Sequence[Host]) -> None:
    """Assert that the accounts of ``hosts``, which have ended, balance, and agree with what is in their tables.

    No id is in a table twice; none is there that nobody handed over; each one that was accepted is in the table or
    among the refused, or waits on disk (and may be in the table all the same, if the answer of the server was what was
    missing); and the counts are those of the ids.
    """
    for place in {(host.seen_by or dsn, host.table) for host in hosts}:
        with psycopg.connect(place[0]) as conn:
            written = Counter(key for (key,) in read(conn, "id", place[1]))
        assert {key: times for key, times in written.items() if times > 1} == {}
        mine = [host for host in hosts if (host.seen_by or dsn, host.table) == place]
        assert set(written) <= {key for host in mine for key in host.accepted}
        for host in mine:
            accounts = host.pipeline.accounts()
            assert accounts.balanced
            assert accounts.pending == 0
            left_behind = set(host.accepted) - written.keys() - host.refused.keys()
            assert len(left_behind) <= accounts.handed_over
            assert left_behind <= ids_on_disk()
            assert accounts.dropped.get(REFUSED, 0) == len(host.refused)
            assert host.refused.keys().isdisjoint(written)
            came = accounts.adopted + len(host.accepted)
            assert accounts.committed == came - len(host.refused) - accounts.handed_over
