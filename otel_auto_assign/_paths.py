"""Paths into what a call is given or returns: names joined by dots, each an attribute, a key or a position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

ITSELF: Final = "."
"""The path of the value itself."""


def parts_of(path: object) -> tuple[str, ...]:
    """Take a path apart.

    Raises:
        ValueError: if it is no path.

    >>> parts_of("booking.restaurant.id")
    ('booking', 'restaurant', 'id')
    >>> parts_of(".")
    ()
    """
    if path == ITSELF:
        return ()
    parts = tuple(path.split(".")) if isinstance(path, str) else ()
    if not parts or not all(part == part.strip() and part for part in parts):
        raise ValueError(
            f"{path!r} is no path: names joined by dots, such as 'booking.id', or '.' for the value itself"
        )
    return parts


def follow(value: Any, parts: Sequence[str]) -> Any:
    """Give what stands at the end of the path; None where it leads nowhere, or where the way there raises.

    >>> follow({"tables": [{"id": 7}]}, ("tables", "0", "id"))
    7
    """
    try:
        for part in parts:
            if value is None:
                return None
            value = _step(value, part)
    except Exception:  # a property of the host's, or an attribute that is not loaded and cannot be here
        return None
    return value


def _step(value: Any, part: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, (list, tuple)) and part.isdecimal():
        return value[int(part)] if int(part) < len(value) else None
    return getattr(value, part, None)


class FromArgument:
    """An id or a word that is found in a call's arguments, in the place of a fixed one.

    Args:
        path: the parameter's name, then attributes, keys or positions, joined by dots.

    Raises:
        ValueError: if it is no path.
    """

    __slots__ = ("name", "rest")

    def __init__(self, path: str) -> None:
        parts = parts_of(path)
        if not parts:
            raise ValueError("a path into the arguments begins with an argument's name")
        self.name, self.rest = parts[0], parts[1:]
