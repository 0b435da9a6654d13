"""Which roles can reconcile, and what the others are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from observability_events.failures import TableUnfitError
from observability_events.reconcile import reconcile
from tests.exporters.dead_jobs import Job, reconciler_role
from tests.exporters.support import settings
from tests.postgres import insert_only_role

if TYPE_CHECKING:
    from tests.postgres import Connection


def test_a_role_that_may_insert_and_select(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """Under row-level security these two are enough."""
    job = Job(conn).put()
    with reconciler_role(dsn, schema) as (role_dsn, _):
        report = reconcile(settings(role_dsn))
    assert (report.written, report.hidden_by, len(job.rows())) == (1, [], 1)


def test_a_role_that_may_not_select(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """It is told what is missing."""
    with (
        insert_only_role(dsn, schema) as (role_dsn, role),
        pytest.raises(TableUnfitError, match=f'may not read observability_events: GRANT SELECT .* TO "{role}"'),
    ):
        reconcile(settings(role_dsn))


def test_a_role_to_which_no_row_is_shown(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """A table that looks empty is not taken for one: the policy that is missing is told."""
    Job(conn).put()
    with insert_only_role(dsn, schema) as (role_dsn, role):
        conn.execute(f"GRANT SELECT ON observability_events TO {role}".encode())
        with pytest.raises(TableUnfitError, match=f'CREATE POLICY … ON observability_events FOR SELECT TO "{role}"'):
            reconcile(settings(role_dsn))


def test_policies_that_hide_rows_are_told(dsn: str, schema: str, conn: Connection, events_table: str) -> None:
    """A summary that is hidden would be missed."""
    with reconciler_role(dsn, schema) as (role_dsn, role):
        for policy in (
            "mine AS RESTRICTIVE FOR SELECT TO {} USING (source = 'auto_assign')",
            "x FOR ALL USING (false)",
        ):
            named = policy.replace(" ", " ON observability_events ", 1).format(role)
            conn.execute(f"CREATE POLICY {named}".encode())
        assert reconcile(settings(role_dsn)).hidden_by == ["(source = 'auto_assign'::text)"]
        conn.execute(f"DROP POLICY {role}_reads ON observability_events".encode())
        assert reconcile(settings(role_dsn)).hidden_by == ["false", "(source = 'auto_assign'::text)"]
