"""A page read back as a browser would: its elements, its tables, its charts, all of its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "link", "wbr"}
ALLOWED = {
    "html", "head", "meta", "title", "link", "style", "body", "main", "header", "footer", "section", "h1", "h2", "p",
    "dl", "dt", "dd", "div", "ul", "li", "span", "figure", "table", "caption", "thead", "tbody", "tfoot", "tr", "th",
    "td", "wbr", "code", "svg", "desc", "path", "line", "text", "circle", "rect",
}  # fmt: skip
"""Elements that a page is made of. None of them runs or fetches anything."""


@dataclass
class Element:
    """One of them, with all that is in it."""

    name: str
    attributes: dict[str, str | None]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text, and that of all in it."""
        return "".join(child if isinstance(child, str) else child.text for child in self.children)

    def all(self, *names: str) -> list[Element]:
        """Every element of these names in it, in their order."""
        found = []
        for child in self.children:
            if isinstance(child, Element):
                found += [child] * (child.name in names) + child.all(*names)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(attrs) == len(element.attributes), f"an attribute of {tag} is there twice: {attrs}"
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().name == tag, f"</{tag}> ends what it did not begin"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def read(page: str) -> Element:
    """Read a page; every element ends where it should."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert [one.name for one in reader.open] == [""]
    return reader.open[0]


def table(page: Element, caption: str) -> list[list[str]]:
    """The cells of the table whose caption begins so, its header first."""
    (found,) = [one for one in page.all("table") if one.all("caption")[0].text.startswith(caption)]
    return [[cell.text for cell in row.all("th", "td")] for row in found.all("tr")]


def chart(page: Element, name: str) -> Element | None:
    """The chart of that name."""
    return next(
        (one for one in page.all("svg") if one.attributes.get("aria-labelledby") == f"{name}-title {name}-told"), None
    )


def assert_sound(page: str, links: Sequence[str] = ()) -> Element:
    """Assert what holds for every page: inert, small, to be read without eyes, and leading to ``links`` alone."""
    assert len(page.encode()) <= 150_000
    top = read(page)
    assert {one.name for one in top.all(*ALLOWED)} <= ALLOWED
    everything = _every(top)
    assert {one.name for one in everything} <= ALLOWED | ({"a"} if links else set())
    names = {name for one in everything for name in one.attributes}
    assert not {name for name in names if name.startswith("on") or name in {"src", "style", "srcdoc", "action"}}
    assert [one.attributes["href"] for one in everything if "href" in one.attributes] == ["data:,", *links]
    ids = [one.attributes["id"] for one in everything if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    for one in top.all("svg"):
        if one.attributes.get("class") == "chart":
            assert one.attributes["role"] == "img"
            assert (one.attributes["aria-labelledby"] or "").split() == [
                part.attributes["id"] for part in one.children[:2] if isinstance(part, Element) and part.text
            ]
    for one in top.all("table"):
        assert one.all("caption")[0].text
        assert {cell.attributes.get("scope") for cell in one.all("th")} == {"col", "row"}
    assert [one.name for one in top.all("h1", "h2")][:1] == ["h1"]
    assert len(top.all("h1")) == 1
    return top


def _every(element: Element) -> list[Element]:
    inside = [child for child in element.children if isinstance(child, Element)]
    return inside + [one for child in inside for one in _every(child)]
