"""The phases of the demo: when each takes place, and that the later one finds what the earlier has left."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from examples.restaurant import phases
from examples.restaurant.app import Parts
from examples.restaurant.clock import Clock
from examples.restaurant.phases import PHASES, open_restaurants, run_phase
from examples.restaurant.requests import Request
from examples.restaurant.sandbox import open_sandbox
from examples.restaurant.stop import Stop

LUNCH = datetime(2026, 11, 20, 12, 15, tzinfo=UTC)


def test_the_clock_starts_two_hours_before_the_first_guests(server_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the later phase whole weeks afterwards, and beside the earlier one's bookings, which stay."""
    requests = [Request("Pub", f"b{day}", LUNCH + timedelta(days=day), 2) for day in (9, 0)]
    starts: list[datetime] = []

    class Noted(Clock):
        def __init__(self, start: datetime, scale: float, *, wait: object) -> None:
            starts.append(start)
            super().__init__(start, scale, wait=lambda _seconds: None)

    monkeypatch.setattr(phases, "Clock", Noted)
    for name in ("FEATURE_AUTO_ASSIGN_RETRY_POLICY_V2", "PLANNER_CACHE_ENABLED"):
        monkeypatch.setenv(name, "")  # put back afterwards
    with open_sandbox(server_dsn) as sandbox:
        open_restaurants(sandbox.dsn, requests)
        for phase in PHASES:
            ended = run_phase(
                phase,
                requests,
                dsn=sandbox.dsn,
                scale=0.01,
                parts=Parts(),
                stop=Stop(),
                settled=lambda: None,
                flush=lambda: None,
            )
            assert ended.bookings == 2
        with psycopg.connect(sandbox.dsn) as conn:
            assert conn.execute("SELECT count(*) FROM bookings").fetchone() == (4,)

    opens = LUNCH - timedelta(hours=2)
    assert starts == [opens, opens + timedelta(weeks=2)]


def test_the_booking_system_knows_nothing_of_its_instrumentation() -> None:
    """It is as its team had it before; `instrumented.py` is what was added."""
    program = "import sys, examples.restaurant.app; print({'opentelemetry', 'otel_auto_assign'} & {*sys.modules})"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
