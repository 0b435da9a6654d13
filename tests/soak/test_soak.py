"""The soak in its short form; `make soak` is the long one."""

from __future__ import annotations

from tests.soak.__main__ import figures
from tests.soak.faults import OF_A_LINE, OF_THE_HOUSE
from tests.soak.soaking import soak


def test_nothing_is_lost_and_nothing_is_twice() -> None:
    """Half a minute of faults: every row that two processes accepted has its place, once, and every job its end."""
    outcome = soak(seconds=30, seed=3, jobs_a_second=20, pause=0.7)
    assert outcome.well, f"{figures(outcome)}{chr(10).join(outcome.log)}"
    assert len(outcome.faults) > (len(OF_A_LINE) + len(OF_THE_HOUSE)) / 2
