"""Jobs in the table for tests of `reconcile`, what others write there, and the role that it works as."""

from __future__ import annotations

import json
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from observability_events.rows import row_id
from otel_auto_assign import semconv
from tests.project.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection

FLAGS = {"retry_policy_v2": True, "planner_cache": False, "source": "env"}


class Job:
    """A job whose rows are put into the table one by one; ``ago`` is how long its start is ago."""

    def __init__(self, conn: Connection, ago: timedelta = timedelta(hours=5)) -> None:
        self._conn = conn
        self.trace_id, self.job_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
        self.booking_id: uuid.UUID | None = None
        found = conn.execute("SELECT now() - %s", (ago,)).fetchone()
        assert found is not None
        assert isinstance(found[0], datetime)
        self.start = found[0]

    def put(self, event_type: str = semconv.EVENT_STARTED, after: float = 0.0, **more: Any) -> Job:
        """Put a row of ``event_type`` in, so many seconds after the start."""
        at = self.start + timedelta(seconds=after)
        ids = {"trace_id": self.trace_id, "span_id": uuid.uuid4().hex[:16], "job_id": self.job_id}
        about = {"service": "tables", "environment": "test", "trigger": "cron"}
        context = ids | about | {"flags": FLAGS, "featureFlags": FLAGS} | more
        put(self._conn, event_type, at, context, booking_id=self.booking_id)
        return self

    @property
    def summary_id(self) -> uuid.UUID:
        """The id that its real summary has."""
        start_ns = round(self.start.timestamp() * 1e6) * 1000
        return row_id(semconv.EVENT_SUMMARY, int(self.trace_id, 16), int(self.job_id, 16), start_ns)

    def rows(self, event_type: str = semconv.EVENT_SUMMARY) -> list[tuple[uuid.UUID, datetime, dict[str, Any]]]:
        """Give id, time and context of its rows of ``event_type``."""
        return self._conn.execute(  # type: ignore[return-value]
            "SELECT id, created_at, context FROM observability_events "
            "WHERE event_type = %s AND context->>'job_id' = %s AND context->>'trace_id' = %s",
            (event_type, self.job_id, self.trace_id),
        ).fetchall()


def put(
    conn: Connection, event_type: str, at: datetime | str, context: Any, booking_id: uuid.UUID | None = None
) -> None:
    """Put a row of the job flow in, whatever ``context`` is."""
    conn.execute(
        "INSERT INTO observability_events (created_at, source, event_type, context, booking_id) "
        "VALUES (%s, %s, %s, %s, %s)",
        (at, semconv.SOURCE_JOB, event_type, json.dumps(context), booking_id),
    )


def summarised(conn: Connection) -> int:
    """Give the number of summaries in the table."""
    found = conn.execute("SELECT count(*) FROM observability_events WHERE event_type = %s", (semconv.EVENT_SUMMARY,))
    return int(str(found.fetchall()[0][0]))


@contextmanager
def reconciler_role(dsn: str, schema: str) -> Iterator[tuple[str, str]]:
    """The role of docs/reconcile.md, made by the statements that stand there, on a table with row-level security."""
    page = (ROOT / "docs" / "reconcile.md").read_text(encoding="utf-8")
    role = f"reconciler_{uuid.uuid4().hex[:12]}"
    statements = page.split("```sql")[1].split("```")[0].replace("reconciler", role).replace("public", schema)
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statements.encode())
        conn.execute("ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY")
        try:
            yield make_conninfo(dsn, options=f"-csearch_path={schema},public -crole={role}"), role
        finally:
            conn.execute(f"DROP OWNED BY {role}".encode())
            conn.execute(f"DROP ROLE {role}".encode())
