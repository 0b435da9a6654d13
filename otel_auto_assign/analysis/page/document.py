"""The file around a page: its head, its style, and what a browser is forbidden to do with it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final

from otel_auto_assign._version import __version__
from otel_auto_assign.analysis.page.markup import Html, element, prose, short

LARGEST: Final = 150_000
"""Bytes of a page, however much there is to show."""
_ROWS: Final = (100, 40, 12, 4)
"""So many rows a table has, or so many if the page would be larger."""


def fitted(make: Callable[[int], str]) -> str:
    """Give the page with as many rows a table as fit into `LARGEST`."""
    page = ""
    for rows in _ROWS:
        page = make(rows)
        if len(page.encode()) <= LARGEST:
            break
    return page


def document(title: str, under: str, *body: str) -> str:
    """Put a page together.

    Its policy forbids every script and every request, so that not even a mistake of ours could run what is in the data.

    Args:
        title: Of the window, and the first heading.
        under: What was read.
        body: Sections.
    """
    style = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:; base-uri 'none'; form-action 'none'"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{title}, {short(under, 200)}"),
        element("link", rel="icon", href="data:,"),
        element("style", Html(style)),
    )
    top = element("header", element("h1", title), element("p", short(under, 600), class_="under"))
    foot = element("footer", element("p", f"otel-auto-assign {__version__}"))
    page = element("html", head, element("body", element("main", top, *body, foot)), lang="en")
    return f"<!doctype html>\n{page}\n"


def section(title: str, *body: str) -> Html:
    """A part of the page under its heading."""
    return element("section", element("h2", title), *body)


def pair(chart: str, table: str, *, wide: bool = False) -> Html:
    """A chart, and its numbers beside it, or below where there is no room or the chart is ``wide``."""
    return element("div", element("figure", chart), table, class_="pair wide" if wide else "pair")


def said(text: str) -> Html:
    """A sentence under a heading."""
    return element("p", prose(text), class_="said")
