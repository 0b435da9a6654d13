"""The run object of a job or an inline run: one for sync and async, decorator and context manager.

Its children reach it through the OpenTelemetry context, from any thread or task; its lock decides what came first.

    job:     running ---- the function ends: returned, raised, cancelled ----> ended   (one summary)
    inline:  running ---- the function ends, or timed_out() ----------------> ended   (one terminal)

    a child that ends while its run is running    counts
    a child that ends after its run               is late: its rows say so, the run's figures do not change

``ended`` and the time of the end are set together under the lock, and so are a child's lateness and end time: what is
not late has ended before its run. The rules are the contract's §2; ``_job_run`` and ``_inline_run`` hold them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from opentelemetry.trace import Span

from otel_auto_assign._attempts import Attempt, Attributes, Child, Ending
from otel_auto_assign._errors import Error

wall_ns: Callable[[], int] = time.time_ns
"""Unix nanoseconds. With `ticks_ns` the only ways in which time comes into the instrumentation: the testing kit
replaces both, so they are looked up in this module at each call, never imported by name."""
ticks_ns: Callable[[], int] = time.perf_counter_ns
"""Nanoseconds that never step back."""


class Clock:
    """Wall clock and monotonic clock read once: times that cannot step back within a run."""

    __slots__ = ("_offset_ns", "start_ns")

    def __init__(self) -> None:
        self.start_ns = wall_ns()
        self._offset_ns = self.start_ns - ticks_ns()

    def now(self) -> int:
        """Give Unix nanoseconds, never before ``start_ns``."""
        return self._offset_ns + ticks_ns()


class Run:
    """What job and inline runs share: the span, the clock, the lock, and what every child's span carries."""

    __slots__ = ("clock", "common", "ended", "lock", "logged", "measured", "recording", "span")

    def __init__(self, span: Span, clock: Clock, common: Attributes, *, measured: bool) -> None:
        self.span = span
        self.clock = clock
        self.common = common
        self.measured = measured
        """Whether metrics are recorded; decided at the start, for the run and all its children."""
        self.recording = measured or span.is_recording()
        """Whether anybody will see what the run comes to, by its span or by metrics."""
        # Reentrant: the garbage collector may close an abandoned coroutine of this run while its own thread is inside.
        self.lock = threading.RLock()
        self.ended = False
        self.logged: tuple[int, Error] | None = None
        """The exception that was logged last: an identity, for the object itself would be kept alive."""

    def asked(self) -> None:
        """Note that a quote has started."""

    def index_of(self, attempt: Attempt | None) -> int | None:
        """Give the index that a child in ``attempt`` carries; None where there are no attempts."""
        return None

    def held(self, attempt: Attempt | None) -> str | None:
        """Give the id of the hold that a confirm is about, as far as it is known."""
        return None

    def confirming(self, inside: Attempt | None) -> Attempt | None:
        """Find the attempt of a confirm that starts now; None where there are no attempts."""
        return None

    def not_confirming(self, attempt: Attempt | None) -> list[Ending]:
        """Take back a confirm whose span could not be started. Gives what that closes."""
        return []

    def child_ended(self, attempt: Attempt | None, child: Child) -> list[Ending]:
        """Count a child that ended in time; called under the lock. Gives what it closes."""
        return []
