"""What the queue's workers do."""

from __future__ import annotations

import logging
import os
import uuid
from typing import Any, Final

from celery import Celery

from examples.zero_code.bookings.house import house

BROKER: Final = "BOOKINGS_BROKER"
"""The variable that names the queue's broker."""

_log = logging.getLogger("bookings.jobs")
app = Celery("bookings", broker=os.environ.get(BROKER))
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False


@app.task
def assign_tables(
    booking_id: str,
    restaurant_id: str,
    note: dict[str, str],  # noqa: ARG001 - it travels with the message
) -> dict[str, Any]:
    """Look for tables until there are some, or there is no point."""
    report = house().job.run(uuid.UUID(booking_id), "queue")
    _log.info("%s in %s: %s after %d attempts", booking_id, restaurant_id, report.result, report.attempts)
    return {"result": report.result, "reason": report.reason}
