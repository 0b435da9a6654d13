"""One job's trace as a tree of text, made from its spans."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext
from rich.text import Text
from rich.tree import Tree

from otel_auto_assign import semconv


def telling_job(spans: Iterable[ReadableSpan]) -> list[ReadableSpan]:
    """Choose the trace of the job that shows most kinds of things with few spans; empty if there is no job."""
    traces: defaultdict[int, list[ReadableSpan]] = defaultdict(list)
    for span in spans:
        traces[context_of(span).trace_id].append(span)
    jobs = [trace for trace in traces.values() if any(span.name == semconv.SPAN_JOB for span in trace)]
    return max(jobs, key=lambda trace: (len({_kind(span) for span in trace}), -len(trace)), default=[])


def tree_of(trace: list[ReadableSpan]) -> Tree:
    """Draw a trace: one line a span, children in the order they started."""
    children: defaultdict[int | None, list[ReadableSpan]] = defaultdict(list)
    for span in sorted(trace, key=lambda span: span.start_time or 0):
        children[span.parent.span_id if span.parent else None].append(span)
    root = children[None][0]
    tree = Tree(_line(root), guide_style="dim")
    _grow(tree, root, children)
    return tree


def context_of(span: ReadableSpan) -> SpanContext:
    """Give the ids of a span; every span that was started has them."""
    return span.get_span_context() or INVALID_SPAN_CONTEXT


def _grow(tree: Tree, span: ReadableSpan, children: Mapping[int | None, list[ReadableSpan]]) -> None:
    for child in children.get(context_of(span).span_id, ()):
        _grow(tree.add(_line(child)), child, children)


def _kind(span: ReadableSpan) -> tuple[Any, ...]:
    found = span.attributes or {}
    wanted = (semconv.SUCCESS, semconv.CACHE_HIT, semconv.JOB_RESULT, semconv.ADJUSTMENT_REQUIRE_ADJACENCY)
    return (span.name, *(found.get(key) for key in wanted))


def _line(span: ReadableSpan) -> Text:
    found = span.attributes or {}
    name = span.name.removeprefix("auto_assign.")
    if span.name == semconv.SPAN_ATTEMPT:
        name = f"{name} {found.get(semconv.ATTEMPT_INDEX)}"
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    line = Text.assemble((name, "bold"), f"  {milliseconds:,.1f} ms  ")
    error = None if span.status.is_ok else (span.status.description or "").partition("\n")[0]
    return line.append_text(_outcome(span.name, found, error))


def _outcome(name: str, found: Mapping[str, Any], error: str | None) -> Text:
    if name == semconv.SPAN_JOB:
        said = [f"{found.get(semconv.JOB_RESULT)} after {found.get(semconv.JOB_ATTEMPTS_USED)} attempts"]
        if found.get(semconv.INLINE_REASON):
            said.append(f"the request before it: {found[semconv.INLINE_REASON]}")
        return Text(" · ".join(said), "green" if found.get(semconv.JOB_RESULT) == "succeeded" else "yellow")
    if name == semconv.SPAN_STAGE:
        return Text(str(found.get(semconv.STAGE_NAME)), "dim")
    if error:
        return Text(error, "red")
    if found.get(semconv.SUCCESS):
        return Text("ok", "green")
    if name == semconv.SPAN_ATTEMPT:
        return Text(str(found.get(semconv.REASON_CODE)), "yellow")
    remembered = "from the cache: " if found.get(semconv.CACHE_HIT) else ""
    return Text(f"{remembered}{found.get(semconv.REASON)}", "yellow")
