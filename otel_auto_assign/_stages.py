"""Stages of a flow: while nobody profiles, two clock readings and no span, unless a stage turns out to be slow."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import get_current

from otel_auto_assign import _runs, semconv, values
from otel_auto_assign._attempts import Attributes
from otel_auto_assign._children import run_around, start_attributes
from otel_auto_assign._errors import Error
from otel_auto_assign._guard import swallowed
from otel_auto_assign._runs import Run
from otel_auto_assign._runtime import runtime
from otel_auto_assign._scopes import Scope, Spec, read_end
from otel_auto_assign._spans import end_span, is_suppressed, place_in, start_span


class StageScope(Scope):
    """A stage while profiling: a real span around whatever happens in it."""

    __slots__ = ()

    def _finish(self, value: Any, exception: BaseException | None) -> None:
        self._end(_error(self.spec, exception))

    def _close(self, error: Error) -> None:
        self._end((error.type, error.message))

    def _end(self, error: tuple[str, str] | None) -> None:
        run = self.run
        with run.lock:
            end_ns, late = run.clock.now(), run.ended
        end_span(self.span, _attributes(self.spec, late=late), error, end_ns)


class StageWatch:
    """A stage while nobody profiles: it becomes a span afterwards, if it was slow."""

    __slots__ = ("_args", "_kwargs", "_spec", "_start_ns")

    def __init__(self, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._spec = spec
        self._args = args
        self._kwargs = kwargs
        self._start_ns = _runs.ticks_ns()

    def returned(self, value: Any) -> None:
        """Look at the clock after the stage returned."""
        self._ended(None)

    def raised(self, exception: BaseException) -> None:
        """Look at the clock after ``exception`` left the stage."""
        self._ended(exception)

    def suspended(self) -> None:
        """The clock runs on; there is no context to leave."""

    def resumed(self) -> None:
        """Nor one to enter."""

    def _ended(self, exception: BaseException | None) -> None:
        elapsed_ns = _runs.ticks_ns() - self._start_ns
        try:
            if elapsed_ns > _threshold_s(self._spec) * 1e9:
                self._slow(elapsed_ns, exception)
        except Exception as failure:
            swallowed(f"finishing {self._spec.name}", failure)

    def _slow(self, elapsed_ns: int, exception: BaseException | None) -> None:
        context = get_current()
        if is_suppressed(context):
            return
        spec = self._spec
        run = run_around(place_in(context), spec, self._args, self._kwargs)
        with run.lock:
            end_ns, late = run.clock.now(), run.ended
        start = start_attributes(run, spec, self._args, self._kwargs)
        span = start_span(semconv.SPAN_STAGE, context, start, end_ns - elapsed_ns)
        end_span(span, _attributes(spec, late=late), _error(spec, exception), end_ns)


def begin_stage(spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StageScope | StageWatch | None:
    """Start a stage."""
    if not runtime.settings.profiling:
        return StageWatch(spec, args, kwargs)
    context = get_current()
    if is_suppressed(context):
        return None
    run: Run = run_around(place_in(context), spec, args, kwargs)
    span = start_span(semconv.SPAN_STAGE, context, start_attributes(run, spec, args, kwargs), run.clock.now())
    return StageScope(spec, run, span, context, None)


def _threshold_s(spec: Spec) -> float:
    return runtime.settings.stage_threshold if spec.threshold_s is None else spec.threshold_s


def _attributes(spec: Spec, *, late: bool) -> Attributes:
    attributes: Attributes = {
        semconv.STAGE_NAME: values.scrub(spec.name, values.TEXT_LIMIT),
        semconv.STAGE_THRESHOLD_MS: _threshold_s(spec) * 1e3,
    }
    if spec.function is not None:
        attributes[semconv.FUNCTION_NAME] = spec.function
    if late:
        attributes[semconv.LATE] = True
    return attributes


def _error(spec: Spec, exception: BaseException | None) -> tuple[str, str] | None:
    _, error = read_end(exception is not None, spec, None, exception)
    return error and (error.type, error.message)
