"""A trace as a tree of text, with the spans of every instrumentation in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from rich.text import Text
from rich.tree import Tree

from examples.zero_code.collector import Span
from otel_auto_assign import semconv

_LONGEST: Final = 60
_SAID: Final = (semconv.JOB_RESULT, semconv.INLINE_OUTCOME, semconv.REASON, semconv.STAGE_NAME, "db.statement")


def tree_of(trace: list[Span]) -> Tree:
    """Draw a trace: one line a span, children in the order they started."""
    children: defaultdict[str, list[Span]] = defaultdict(list)
    for span in sorted(trace, key=lambda span: span.start_ns):
        children[span.parent].append(span)
    root = children[""][0]
    tree = Tree(_line(root), guide_style="dim")
    _grow(tree, root, children)
    return tree


def _grow(tree: Tree, span: Span, children: Mapping[str, list[Span]]) -> None:
    for child in children.get(span.id, ()):
        _grow(tree.add(_line(child)), child, children)


def _line(span: Span) -> Text:
    said = next((str(span.attributes[key]) for key in _SAID if span.attributes.get(key)), "")
    ours = span.name.startswith(semconv.SPAN_JOB.partition(".")[0])
    line = Text.assemble(
        (span.name, "bold" if ours else "default"), f"  {(span.end_ns - span.start_ns) / 1e6:,.1f} ms  "
    )
    line.append(" ".join((span.error or said).split())[:_LONGEST], "red" if span.error else "dim")
    if span.links:
        line.append("  (linked to the inline run)", "dim")
    return line
