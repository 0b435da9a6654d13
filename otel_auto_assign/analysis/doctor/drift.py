"""Checks of the table itself: is it the contract's, and is all of it shown to us?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_auto_assign.analysis.doctor.findings import Finding, Verdict
from otel_auto_assign.analysis.doctor.looking import Looking

COLUMNS: Final = {
    "id": "uuid",
    "created_at": "timestamp with time zone",
    "source": "text",
    "event_type": "text",
    "severity": "text",
    "context": "jsonb",
    "restaurant_id": "uuid",
    "booking_id": "uuid",
}
"""The contract's §1."""
REFERENCES: Final = ("restaurant_id", "booking_id")
INDEXED: Final = ("created_at", "source", "booking_id")


def about_table(look: Looking) -> Iterator[Finding]:
    """Is the table what the contract says?"""
    (found,) = look.ask("doctor_table")
    columns = found["columns"]
    other = [
        f"{name} is {columns[name]}, not {kind}" for name, kind in COLUMNS.items() if columns.get(name, kind) != kind
    ]
    other += [f"there is no {name}" for name in COLUMNS if name not in columns]
    if other:
        remedy = "rows are written and read as far as the columns go: see `otel-auto-assign check`"
        yield Finding("columns", Verdict.WARNING, f"{look.table}: {'; '.join(other)}", remedy)
    else:
        yield Finding("columns", Verdict.OK, f"the contract's {len(COLUMNS)}, and {len(columns) - len(COLUMNS)} more")
    loose = [name for name in REFERENCES if name in columns and name not in found["references"]]
    if loose:
        evidence = f"no foreign key on {' and '.join(loose)}: ids of bookings and restaurants are not checked"
        yield Finding("references", Verdict.OK, evidence)
    else:
        yield Finding("references", Verdict.OK, "ids are checked against their parents")
    slow = [name for name in INDEXED if name in columns and name not in found["indexed"]]
    if slow:
        index = "; ".join(f"CREATE INDEX CONCURRENTLY ON {look.table} ({name})" for name in slow)
        yield Finding("indexes", Verdict.WARNING, f"no index begins with {' or '.join(slow)}: windows are slow", index)
    else:
        yield Finding("indexes", Verdict.OK, "the contract's")
    if found["hidden"]:
        remedy = "let this role see all rows: a policy FOR SELECT USING (true), or BYPASSRLS"
        yield Finding("hidden_rows", Verdict.CANNOT_TELL, "row security decides which rows this role sees", remedy)
    else:
        yield Finding("hidden_rows", Verdict.OK, "this role sees every row")
