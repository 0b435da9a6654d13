"""A planner, a confirm and a job that do as they are told: what rules are tried with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from otel_auto_assign import current_job, traced_attempt, traced_confirm, traced_job, traced_quote, traced_stage

if TYPE_CHECKING:
    from collections.abc import Callable

HOLD = {"hold": "h1"}
NO_TABLES = {"hold": None, "reason": "No suitable tables"}


@traced_quote
def quote(value: Any = HOLD) -> Any:
    """A planner that gives what it is told to, or raises it."""
    if isinstance(value, BaseException):
        raise value
    return value


@traced_confirm
def confirm(value: Any = None) -> Any:
    """A confirm that gives what it is told to, or raises it."""
    if isinstance(value, BaseException):
        raise value
    return value


@traced_job
def run_job(body: Callable[[], Any], booking_id: str = "b1", restaurant_id: str = "r1") -> Any:
    """A job that does what it is told to."""
    return body()


def run_failing(body: Callable[[], Any], error: type[BaseException]) -> None:
    """Run a job that ends by ``error``."""
    with pytest.raises(error):
        run_job(body)


def whole_job() -> Any:
    """A job with everything in it."""

    def body() -> Any:
        current_job().max_attempts(3)
        with traced_attempt(), traced_stage("s", threshold=0):
            return quote(HOLD), confirm()

    return run_job(body)
