"""One attempt of a job: what it has asked, what it holds, and when it is over.

    .            a quote asks                    the block is over, nothing runs
    open ------------------------> asked ----------------------------------------+
     |  the block ends unasked       |  by exception                             |
     v                               v                                           v
    over, no row                   over: attempt_error      no hold: over   |  hold: held
                                                                                 |
                     a confirm succeeds | superseded by the next | the job ends  |
    over  <----------------------------------------------------------------------+

An implicit attempt has no block of its own: its quotes are its block. A job owns its attempts and calls them under
its lock; nothing here locks, reads a clock or touches OpenTelemetry beyond carrying the span that is to be ended.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from opentelemetry.trace import Span

from otel_auto_assign import semconv
from otel_auto_assign._errors import Error

AttributeValue = str | bool | int | float
Attributes = dict[str, AttributeValue]

QUOTE: Final = "quote"
CONFIRM: Final = "confirm"


class Ending(NamedTuple):
    """A span to be ended: outside the run's lock, in the order given."""

    span: Span
    attributes: Attributes
    error: tuple[str, str] | None
    """``error.type`` and the status message, or None for a status that stays unset."""
    end_ns: int


class Child(NamedTuple):
    """A quote or confirm that has ended; nothing of the application's own objects, which its run would keep alive."""

    role: str
    success: bool
    reason: str | None
    code: str
    error: Error | None
    hold_id: str | None
    cache_hit: bool
    alternates: int | None
    start_ns: int
    end_ns: int


class Adjustment(NamedTuple):
    """How an attempt was changed after an inline time-out."""

    require_adjacency: bool | None
    max_tables: int | None
    max_attempts: int | None


ABORTED: Final = Error(
    semconv.ERROR_TYPE_OTHER, "the job ended while this attempt was running", semconv.CODE_ABORT, cancelled=True
)


class Attempt:
    """The state of one attempt; its job's lock guards it."""

    __slots__ = (
        "adjustment",
        "block_open",
        "ended",
        "error",
        "implicit",
        "index",
        "inner_error",
        "last_child",
        "last_confirm",
        "last_quote",
        "outer",
        "planner_calls",
        "quotes_running",
        "running",
        "span",
        "success",
        "until_ns",
    )

    def __init__(self, span: Span, start_ns: int, *, implicit: bool, outer: Attempt | None = None) -> None:
        self.span = span
        self.implicit = implicit
        self.outer = outer
        """The attempt whose block this one was opened in: a retry by recursion, or a helper decorated, too."""
        self.inner_error: Error | None = None
        self.block_open = not implicit
        self.index: int | None = None
        self.planner_calls = 0
        self.running = 0
        self.quotes_running = 0
        self.last_child: Child | None = None
        self.last_quote: Child | None = None
        self.last_confirm: Child | None = None
        self.until_ns = start_ns
        self.error: Error | None = None
        self.adjustment: Adjustment | None = None
        self.ended = False
        self.success = False

    def asked(self) -> None:
        """Note that a quote has started."""
        self.planner_calls += 1
        self.quotes_running += 1
        self.running += 1

    def not_asked(self) -> None:
        """Take back a quote whose span could not be started."""
        self.planner_calls -= 1
        self.quotes_running -= 1
        self.running -= 1

    def child_ended(self, child: Child) -> None:
        """Note what a quote or confirm came to."""
        self.running -= 1
        self.last_child = child
        self.until_ns = max(self.until_ns, child.end_ns)
        if child.role == QUOTE:
            self.quotes_running -= 1
            self.last_quote = child
        else:
            self.last_confirm = child

    def block_ended(self, end_ns: int, error: Error | None) -> None:
        """Note the end of the attempt's block, by exception or not."""
        self.block_open = False
        self.until_ns = max(self.until_ns, end_ns)
        self.error = error
        if self.outer is not None and error is not None:
            self.outer.inner_error = error

    @property
    def raised_itself(self) -> bool:
        """Tell whether its block ended by an exception that no attempt inside has answered for already."""
        return self.error is not None and self.error != self.inner_error

    @property
    def busy(self) -> bool:
        """Tell whether the block, a quote or a confirm still runs."""
        return self.block_open or self.running > 0

    @property
    def over(self) -> bool:
        """Tell whether nothing can come any more: the block is over, nothing runs, and no hold waits for a confirm."""
        if self.block_open:
            return False
        if self.error is not None:
            return True
        if self.running:
            return False
        holds = self.last_quote is not None and self.last_quote.success
        return not holds or (self.last_confirm is not None and self.last_confirm.success)

    def end(self, *, unconfirmed_is_failure: bool = False, error: Error | None = None) -> Ending:
        """Close the attempt and say how its span ends.

        Args:
            unconfirmed_is_failure: whether a hold that nothing confirmed counts as a failure.
            error: what ends it from outside: the exception that leaves the job, or ``ABORTED``.
        """
        self.ended = True
        if self.last_child is not None and self.last_child.error is not None and error is None:
            error = self.last_child.error
        error = self.error or error
        attributes: Attributes = {semconv.ATTEMPT_IMPLICIT: self.implicit}
        if self.index is None:  # it never asked nor raised: a span without a row
            return Ending(self.span, attributes, None, self.until_ns)
        attributes[semconv.ATTEMPT_INDEX] = self.index
        attributes[semconv.ATTEMPT_PLANNER_CALLS] = self.planner_calls
        self._decide(attributes, error, unconfirmed_is_failure=unconfirmed_is_failure)
        if self.adjustment is not None:
            put(attributes, semconv.ADJUSTMENT_REQUIRE_ADJACENCY, self.adjustment.require_adjacency)
            put(attributes, semconv.ADJUSTMENT_MAX_TABLES, self.adjustment.max_tables)
            put(attributes, semconv.ADJUSTMENT_MAX_ATTEMPTS, self.adjustment.max_attempts)
        return Ending(self.span, attributes, error and (error.type, error.message), self.until_ns)

    def _decide(self, attributes: Attributes, error: Error | None, *, unconfirmed_is_failure: bool) -> None:
        decided = self.last_confirm or self.last_quote
        reason = decided.reason if decided else None
        if error is not None:
            success, code, reason = False, error.code, error.message
        elif decided is None:
            success, code = False, semconv.CODE_UNKNOWN
        elif decided.role == QUOTE and decided.success and unconfirmed_is_failure:
            success, code, reason = False, semconv.CODE_UNKNOWN, None
        else:
            success, code = decided.success, decided.code
        self.success = success
        attributes[semconv.SUCCESS] = success
        attributes[semconv.REASON_CODE] = code
        put(attributes, semconv.REASON, reason)
        put_quote_facts(attributes, self.last_quote)


def put(attributes: Attributes, key: str, value: Any) -> None:
    """Set what is known; OpenTelemetry has no null, an unknown value is an absent attribute."""
    if value is not None:
        attributes[key] = value


def put_quote_facts(attributes: Attributes, quote: Child | None) -> None:
    """Set what an attempt or inline run repeats of its last quote."""
    attributes[semconv.CACHE_HIT] = quote is not None and quote.cache_hit
    if quote is not None:
        put(attributes, semconv.ALTERNATES, quote.alternates)
