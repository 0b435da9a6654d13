"""What a wrapped call and its scope promise each other, whatever the kind of callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from otel_auto_assign._guard import swallowed
from otel_auto_assign._scopes import Spec


class CallScope(Protocol):
    """What a call's beginning gives: it is told once how the call ended, and of every pause before that."""

    def returned(self, value: Any, /) -> None:
        """The call returned ``value``."""

    def raised(self, exception: BaseException, /) -> None:
        """``exception`` left the call."""

    def suspended(self) -> None:
        """The call waits for its next step: whoever goes on meanwhile is not inside it."""

    def resumed(self) -> None:
        """The call makes its next step, in whatever thread or task; the next word is any of the others."""


Begin = Callable[[Spec, tuple[Any, ...], dict[str, Any]], CallScope | None]


def begin_safely(begin: Begin, spec: Spec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> CallScope | None:
    """Begin a scope; a fault of ours means a call without one, and so does a stack with no room for it."""
    try:
        try:
            return begin(spec, args, kwargs)
        except Exception as failure:
            swallowed(f"starting a span for {spec.name}", failure)
    except RecursionError:  # not even room to say so; what the function itself does here is the host's
        pass
    return None
