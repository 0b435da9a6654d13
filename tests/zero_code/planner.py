"""The planner's targets, as a file says them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.zero_code.conftest import Host


REQUEST = {"id": "b-1", "tables": 2}


def quote_in(host: Host, name: str = "Planner.quote") -> dict[str, object]:
    """The planner's target as in a file."""
    return {
        "call": f"{host.name}.planner.{name}",
        "role": "quote",
        "arguments": {"booking_id": "request.id"},
        "result": {"hold": "assignment.hold_id", "reason": "why"},
    }
