"""Rows that wait on disk keep reconcile back: the summary may be among them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from observability_events import folder, segment
from observability_events.reconcile import HeldError, Report, reconcile
from otel_auto_assign import Settings
from tests.exporters.dead_jobs import Job
from tests.exporters.support import settings

if TYPE_CHECKING:
    from tests.postgres import Connection


def spooled(given: Settings, *records: bytes, owner: str = "17-0123abcd", about: dict[str, Any] | None = None) -> Path:
    """Leave a segment with ``records`` in the spool of ``given``, as a process that died does."""
    place = folder.destination(given)
    folder.make(place, given)
    data = segment.header({}) + b"".join(segment.record(1, number, each) for number, each in enumerate(records))
    path = place.path / f"{owner}-000001.segment"
    path.write_bytes(data)
    if about is not None:
        (place.path / f"{owner}.json").write_text(json.dumps(about))
    return path


def test_rows_in_a_spool_are_waited_for(dsn: str, conn: Connection, events_table: str) -> None:
    """They may be the summary; when they have been delivered, the run goes on."""
    Job(conn).put()
    path = spooled(settings(dsn), b"{}")
    for dry_run in (True, False):
        with pytest.raises(HeldError, match=f"rows wait in {path.parent}"):
            reconcile(settings(dsn), dry_run=dry_run)
    spooled(settings(dsn))
    assert reconcile(settings(dsn)).written == 1


def test_another_way_to_the_database_is_the_same_spool(dsn: str, conn: Connection, events_table: str) -> None:
    """The exporter may know the database and the table by other names; another table's rows do not matter."""
    path = spooled(Settings(dsn="host=pooler dbname=app", table="other"), b"{}")
    assert reconcile(settings(dsn)) == Report()
    path.unlink()
    path = spooled(Settings(dsn="host=pooler dbname=app", table='public."observability_events"'), b"{}")
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
    (path.parent / folder.DESCRIPTION).write_text("{}")  # it says of no table
    with pytest.raises(HeldError):
        reconcile(settings(dsn))


def test_a_segment_that_nobody_can_read_is_waited_for(dsn: str, conn: Connection, events_table: str) -> None:
    """A later version may have written it."""
    spooled(settings(dsn), b"{}").write_bytes(b"what is this")
    with pytest.raises(HeldError):
        reconcile(settings(dsn))


def test_a_living_process_says_what_waits(dsn: str, conn: Connection, events_table: str) -> None:
    """Its newest segment has rows that are written already, too."""
    place = spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 0}}).parent
    descriptor = folder.lock(place, "17-0123abcd")
    assert descriptor is not None
    assert reconcile(settings(dsn)) == Report()
    spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 3}})
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
    spooled(settings(dsn), b"{}", about={"accounts": {"pending_disk": 0}})
    os.close(descriptor)  # now it is dead
    with pytest.raises(HeldError):
        reconcile(settings(dsn))
