"""A day at the booking desk: who asks when, and how many at once.

At one moment the day's tables are released. There is a rush, everybody at once, and then a trickle of those who come
late. That is all the contention there is; it needs no help.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import psycopg

from examples.restaurant.app import App
from examples.restaurant.bookings import Booking
from examples.restaurant.requests import Request, repeats
from examples.restaurant.stop import Stop

RUSH_SHARE: Final = 0.6
RUSH_CLIENTS: Final = 256  # everybody at once, up to what threads bear
TRICKLE_CLIENTS: Final = 2
JOB_WORKERS: Final = 48  # most of them sleep between attempts

_log = logging.getLogger("restaurant")


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests that come together, so many at a time."""

    requests: Sequence[Request]
    clients: int


def waves(requests: Sequence[Request]) -> list[Wave]:
    """Part a day's requests, in their order, into the rush and the trickle."""
    rush = round(len(requests) * RUSH_SHARE)
    parted = Wave(requests[:rush], RUSH_CLIENTS), Wave(requests[rush:], TRICKLE_CLIENTS)
    return [wave for wave in parted if wave.requests]


class Day:
    """One day of requests, in a phase that gives its bookings ids of their own.

    Args:
        app: The booking system.
        phase: Part of every booking's id.
        shift: How much later than requested everything takes place.
        stop: Breaks the day off; the clock of ``app`` waits with it.
        settled: Called, in any thread, when a request needs no more work.
    """

    def __init__(self, app: App, phase: str, shift: timedelta, stop: Stop, settled: Callable[[], object]) -> None:
        self._app = app
        self._phase = phase
        self._shift = shift
        self._stop = stop
        self._settled = settled
        self._workers = ThreadPoolExecutor(JOB_WORKERS, thread_name_prefix="job")
        self._jobs: list[Future[None]] = []

    def run(self, requests: Sequence[Request]) -> None:
        """Take every request, run every job, and wait until the last search has ended.

        Raises:
            StoppedError: If the day was broken off.
        """
        first, again = repeats(requests)
        try:
            for wave in waves(first):
                self._take(wave)
            self._finish_jobs()
            for request in again:
                self._start_job(request.as_booking(self._phase, self._shift), "rerun")
            self._finish_jobs()
        except BaseException:
            self._stop.now()
            raise
        finally:
            self._workers.shutdown(cancel_futures=True)
            self._app.inline.close()

    def _take(self, wave: Wave) -> None:
        bookings = [request.as_booking(self._phase, self._shift) for request in wave.requests]
        for booking in bookings:  # everybody has filled the form in, and waits for the moment of the release
            self._app.book.add(booking)
        clients = ThreadPoolExecutor(min(wave.clients, len(wave.requests)), thread_name_prefix="client")
        try:
            pairs = zip(wave.requests, bookings, strict=True)
            for done in as_completed([clients.submit(self._request, *pair) for pair in pairs]):
                self._stop.check()
                done.result()
        finally:
            clients.shutdown(cancel_futures=True)

    def _request(self, request: Request, booking: Booking) -> None:
        if not request.by_phone and self._confirmed_at_once(booking):
            self._settled()
            return
        if request.cancelled:
            self._app.cancel(booking)
        self._start_job(booking, "phone" if request.by_phone else "request")

    def _confirmed_at_once(self, booking: Booking) -> bool:
        try:
            return self._app.inline.request(booking).confirmed
        except psycopg.Error as error:  # the guest sees an error page; the job is started none the less
            _log.debug("request for %s failed: %s", booking.id, error)
            return False

    def _start_job(self, booking: Booking, trigger: str) -> None:
        self._jobs.append(self._workers.submit(self._job, booking, trigger))

    def _job(self, booking: Booking, trigger: str) -> None:
        try:
            self._app.job.run(booking.id, trigger)
        except psycopg.Error as error:  # a job that fails is its own problem; the queue goes on
            _log.debug("job for %s failed: %s", booking.id, error)
        self._settled()

    def _finish_jobs(self) -> None:
        for done in as_completed(self._jobs):
            done.result()
        self._jobs.clear()
