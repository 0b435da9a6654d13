"""An inline run: its last quote and confirm, and the one terminal they come to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from opentelemetry.trace import Span, format_span_id

from otel_auto_assign import semconv
from otel_auto_assign._attempts import QUOTE, Attempt, Attributes, Child, Ending, put, put_quote_facts
from otel_auto_assign._errors import Error
from otel_auto_assign._runs import Clock, Run
from otel_auto_assign.outcomes import Outcome

_NS_PER_MS: Final = 1_000_000
_EARLY_TIMER_NS: Final = 50 * _NS_PER_MS
"""A timer outside the inline run started before it, so the run sees a little less than the whole time-out."""


class InlineRun(Run):
    """An inline run: its last quote and confirm, and the one terminal they come to."""

    __slots__ = (
        "_asked",
        "_last_child",
        "_last_confirm",
        "_last_quote",
        "_terminal",
        "hold_id",
        "idempotency_key",
        "timeout_ns",
    )

    def __init__(
        self,
        span: Span,
        clock: Clock,
        common: Attributes,
        attempt_id: str | None,
        timeout_s: float,
        *,
        measured: bool,
    ) -> None:
        attempt_id = attempt_id or format_span_id(span.get_span_context().span_id)
        super().__init__(span, clock, {**common, semconv.INLINE_ATTEMPT_ID: attempt_id}, measured=measured)
        self.timeout_ns = int(timeout_s * 1e9)
        self.hold_id: str | None = None
        self.idempotency_key: str | None = None
        self._asked = False
        self._terminal: str | None = None
        self._last_child: Child | None = None
        self._last_quote: Child | None = None
        self._last_confirm: Child | None = None

    def asked(self) -> None:
        """Note that a quote has started."""
        self._asked = True

    def child_ended(self, attempt: Attempt | None, child: Child) -> list[Ending]:
        """Keep the last quote, the last confirm and the last of both."""
        self._last_child = child
        if child.role == QUOTE:
            self._last_quote = child
        else:
            self._last_confirm = child
        return []

    def held(self, attempt: Attempt | None) -> str | None:
        """Give the id of the hold: the application's word, else the last quote's."""
        return self.hold_id or (self._last_quote.hold_id if self._last_quote is not None else None)

    def hint(self) -> dict[str, str]:
        """Give what the job that follows should know of this run, as far as it has come."""
        with self.lock:
            known: dict[str, str | None] = {
                semconv.INLINE_ATTEMPT_ID: str(self.common[semconv.INLINE_ATTEMPT_ID]),
                semconv.INLINE_REASON: self._why(),
                semconv.INLINE_TRIGGER: str(self.common[semconv.TRIGGER]),
            }
        return {name: value for name, value in known.items() if value}

    def _why(self) -> str | None:
        """Say why there is no table yet: the time-out, else the last answer that was no."""
        if self._terminal == semconv.INLINE_TIMEOUT:
            return semconv.HINT_INLINE_TIMEOUT
        last = self._last_confirm or self._last_quote
        return None if last is None or last.success else last.reason or last.code

    def timed_out(self) -> list[Ending]:
        """Close the run now as timed out, even while its function runs on."""
        return self._end(lambda _elapsed: (semconv.INLINE_TIMEOUT, None))

    def end(self, outcome: Outcome, exception: BaseException | None, error: Error | None) -> list[Ending]:
        """Close the run when its function has ended; nothing when it was closed before."""
        return self._end(lambda elapsed: self._outcome(elapsed, outcome, exception, error))

    def _end(self, decide: Callable[[int], tuple[str, Error | None]]) -> list[Ending]:
        with self.lock:
            if self.ended:
                return []
            self.ended = True
            end_ns = self.clock.now()
            terminal, error = decide(end_ns - self.clock.start_ns)
            self._terminal = terminal
            return [Ending(self.span, self._attributes(terminal), self._error(terminal, error), end_ns)]

    def _outcome(  # noqa: PLR0911 - one return a rule, in the contract's order
        self, elapsed_ns: int, outcome: Outcome, exception: BaseException | None, error: Error | None
    ) -> tuple[str, Error | None]:
        quote, confirm, last = self._last_quote, self._last_confirm, self._last_child
        last_error = last.error if last is not None else None
        child_cancelled = last_error is not None and last_error.cancelled
        cancelled = (error is not None and error.cancelled) or child_cancelled
        if (isinstance(exception, TimeoutError) or cancelled) and elapsed_ns >= self.timeout_ns - _EARLY_TIMER_NS:
            return semconv.INLINE_TIMEOUT, None
        if cancelled:
            return semconv.INLINE_OPERATION_ABORTED, error if error is not None and error.cancelled else last_error
        if confirm is not None and not confirm.success:
            return semconv.INLINE_CONFIRM_FAILED, confirm.error or Error(
                semconv.ERROR_TYPE_OTHER, confirm.reason or "", confirm.code, cancelled=False
            )
        if quote is not None and quote.error is not None:
            return semconv.INLINE_QUOTE_ERROR, quote.error
        if (quote is not None and not quote.success) or (exception is None and not self._asked):
            return semconv.INLINE_NO_HOLD, None
        if exception is None and quote is not None and not outcome.reports_failure():
            return semconv.INLINE_SUCCEEDED, None
        return semconv.INLINE_OPERATION_ABORTED, error

    def _error(self, terminal: str, error: Error | None) -> tuple[str, str] | None:
        if terminal in (semconv.INLINE_SUCCEEDED, semconv.INLINE_NO_HOLD):
            return None
        if terminal == semconv.INLINE_TIMEOUT:
            return semconv.ERROR_TYPE_TIMEOUT, f"timed out; its limit is {self.timeout_ns / 1e9:g} s"
        return (error.type, error.message) if error is not None else (semconv.ERROR_TYPE_OTHER, "")

    def _attributes(self, terminal: str) -> Attributes:
        quote, confirm = self._last_quote, self._last_confirm
        attributes: Attributes = {
            semconv.INLINE_OUTCOME: terminal,
            semconv.INLINE_TIMEOUT_MS: self.timeout_ns / _NS_PER_MS,
            semconv.SUCCESS: terminal == semconv.INLINE_SUCCEEDED,
            semconv.REASON_CODE: self._code(terminal),
        }
        deciding = confirm if terminal == semconv.INLINE_CONFIRM_FAILED else quote
        if deciding is not None:
            put(attributes, semconv.REASON, deciding.reason)
        put_quote_facts(attributes, quote)
        put(attributes, semconv.HOLD_ID, self.held(None))
        put(attributes, semconv.INLINE_IDEMPOTENCY_KEY, self.idempotency_key)
        if quote is not None:
            attributes[semconv.INLINE_QUOTE_DURATION_MS] = (quote.end_ns - quote.start_ns) / _NS_PER_MS
        if confirm is not None:
            attributes[semconv.INLINE_CONFIRM_DURATION_MS] = (confirm.end_ns - confirm.start_ns) / _NS_PER_MS
        return attributes

    def _code(self, terminal: str) -> str:
        if terminal == semconv.INLINE_SUCCEEDED:
            return semconv.CODE_SUCCESS
        if terminal == semconv.INLINE_TIMEOUT:
            return semconv.CODE_TIMEOUT
        if terminal == semconv.INLINE_OPERATION_ABORTED:
            return semconv.CODE_ABORT
        deciding = self._last_confirm if terminal == semconv.INLINE_CONFIRM_FAILED else self._last_quote
        return deciding.code if deciding is not None else semconv.CODE_UNKNOWN
