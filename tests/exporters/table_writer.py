"""The writer, taking rows as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from observability_events import wire
from observability_events.postgres import PostgresWriter

if TYPE_CHECKING:
    from observability_events.rows import Row


class Writer(PostgresWriter):
    """The writer, taking rows as they are."""

    def write(self, *rows: Row) -> int:
        """Encode and insert."""
        return self.insert([wire.encode(one) for one in rows])
