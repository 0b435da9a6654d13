"""Elements of HTML and SVG. Text is escaped here and nowhere else: what is no `Html` is text."""

from __future__ import annotations

import re
from collections.abc import Collection
from html import escape
from typing import Final

_VOID: Final = frozenset({"meta", "link"})
"""Elements without an end."""


class Html(str):
    """Markup that was made here; any other string is text, whoever wrote it."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: object) -> Html:
    """Make an element; an attribute that is None is left out, and ``text_anchor`` is written ``text-anchor``.

    >>> element("p", "1 < 2 ", element("b", "yes"), class_="lead")
    '<p class="lead">1 &lt; 2 <b>yes</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(*children)}</{name}>")


def joined(*children: str) -> Html:
    """Put elements and texts one after the other."""
    return Html("".join(child if isinstance(child, Html) else escape(child) for child in children))


def short(text: str, longest: int) -> str:
    r"""One line of text from the data: without what is not seen, or turns the writing round, and cut.

    >>> short("No capacity at\n7 pm", 12)
    'No capacity…'
    """
    line = "".join(one if one.isprintable() else " " for one in text[: 4 * longest])
    line = " ".join(line.split())
    return line if len(line) <= longest else f"{line[: longest - 1].rstrip()}…"


def breakable(text: str) -> Html:
    """Text whose long names may go on in the next line after what joins their parts.

    >>> breakable("planner_duration")
    'planner_<wbr>duration'
    """
    return Html("<wbr>".join(escape(part) for part in _JOINTS.split(text)))


def prose(text: str, links: Collection[str] = ()) -> Html:
    """A sentence, in which what stands between backticks is a command, and an address of ``links`` leads there.

    >>> prose("ask `doctor`")
    'ask <code>doctor</code>'
    """
    parts = text.split("`")
    return joined(*(element("code", part) if number % 2 else linked(part, links) for number, part in enumerate(parts)))


def linked(text: str, links: Collection[str]) -> Html:
    """Text in which each address of ``links`` leads there; any other, which may come from the data, is text.

    >>> linked("see http://a/1 or http://b/2", {"http://a/1"})
    'see <a href="http://a/1" rel="noreferrer">http://a/1</a> or http://b/2'
    """
    if not links:
        return joined(text)
    known = "|".join(re.escape(one) for one in sorted(links, key=len, reverse=True))
    parts = re.split(f"({known})", text)
    return joined(
        *(element("a", part, href=part, rel="noreferrer") if number % 2 else part for number, part in enumerate(parts))
    )


_JOINTS: Final = re.compile(r"(?<=[_.=])(?=\w)")
