"""A look into the spool, as the next process would have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observability_events import folder, records, segment
from otel_auto_assign.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID


def ids_on_disk(directory: Path | None = None) -> set[UUID]:
    """Give the ids of all rows in the spool's readable segments, by default in the test's own state folder."""
    found: set[UUID] = set()
    for destination in folder.destinations(directory or folder.spool_directory(Settings())):
        for path in destination.path.glob(f"*{folder.SEGMENT_SUFFIX}"):
            data = path.read_bytes()
            for record in segment.read(data).records if data else ():  # else it is being begun at this moment
                make, it = records.read(record.kind, record.payload)
                found |= {row.id for row in make(it)}
    return found


def files(directory: Path | None = None) -> set[str]:
    """Give what is in the spool beside descriptions: nothing, after an end with nothing left."""
    destinations = folder.destinations(directory or folder.spool_directory(Settings()))
    found = {path.name for destination in destinations for path in destination.path.iterdir()}
    return found - {folder.DESCRIPTION}
