"""A comparison as people and programs read it: tables, sentences, Markdown, JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC
from math import isfinite
from typing import Any, Final

from otel_auto_assign.analysis.comparison import Comparison
from otel_auto_assign.analysis.estimates import Estimate, Size
from otel_auto_assign.analysis.judging import Judgement
from otel_auto_assign.analysis.plans import COUNTS, Bound, Claim, Goal
from otel_auto_assign.analysis.report_text import NOTHING, Grid, markdown_row
from otel_auto_assign.analysis.template import Line
from otel_auto_assign.analysis.validity import Side
from otel_auto_assign.analysis.windows import Window

_TEMPLATE_HEADER: Final = ("figure", "baseline", "post", "delta", "95 % interval", "n", "effective n", "needed")
_JUDGED_HEADER: Final = ("what", "wanted", "finding", "estimate", "95 % interval", "n", "effective n", "needed", "why")
_OPEN: Final = "?"
"""Where a limit does not exist."""


def grids(found: Comparison) -> list[Grid]:
    """Give the tables: the team's template, what stands beside it, goals, guardrails; n is baseline / post."""
    template = [_line(line) for line in found.lines if not line.beside]
    beside = [_line(line) for line in found.lines if line.beside]
    tables = [
        Grid("Comparison", _TEMPLATE_HEADER, template, 7),
        Grid("Beside it", _TEMPLATE_HEADER, beside, 7),
    ]
    goals = [one for one in found.judgements if isinstance(one.claim, Goal)]
    guardrails = [one for one in found.judgements if not isinstance(one.claim, Goal)]
    for title, judged in (("Goals", goals), ("Guardrails", guardrails)):
        if judged:
            tables.append(Grid(title, _JUDGED_HEADER, [_judged(one) for one in judged], 0))
    return tables


def title(found: Comparison) -> str:
    """Say what was compared."""
    read = str(found.window) if found.before is None else f"{found.before} with {found.window}"
    return f"{read}, by {found.stage.unit}"


def remarks(found: Comparison) -> list[str]:
    """Say in sentences who was compared, what forbids a conclusion, and what was left out."""
    said = [f"INVALID: {fault}." for fault in found.faults]
    said += [f"MARGINAL at best: {cap}." for cap in found.caps]
    said += [_who("Baseline", found.baseline), _who("Post side", found.post)]
    both, bookings = found.baseline.bookings & found.post.bookings, found.baseline.bookings | found.post.bookings
    if both:
        said.append(
            f"On both sides, for they were tried again under other flags: {len(both)} of {len(bookings)} bookings."
        )
    if any(count for count, _ in found.idle.values()):
        each = " and ".join(f"{count:,} of {jobs:,} ({name})" for name, (count, jobs) in found.idle.items())
        said.append(f"Jobs that decided nothing, skipped or cancelled, are in no rate and in no job time: {each}.")
    for one in found.beyond:
        traces = one.traces or ("",) * len(one.largest)
        largest = ", ".join(
            f"{_ms(value)} ({trace})" if trace else _ms(value) for value, trace in zip(one.largest, traces, strict=True)
        )
        many = f"{one.baseline} / {one.post}"
        said.append(
            f"Outliers of {one.measure}, above {_ms(one.fence)}: {many} (baseline / post), the largest {largest}."
        )
    said += [
        f"Without outliers {one.claim.name} would be {one.without_outliers}, with them it is {one.finding}."
        for one in found.judgements
        if one.without_outliers is not None
    ]
    short: dict[str, list[str]] = {}
    for line in found.lines:
        if line.delta.shortage or line.delta.obstacle:
            short.setdefault(line.delta.shortage or line.delta.obstacle, []).append(line.claim.name)
    said += [
        f"No interval of {'any figure' if len(names) == len(found.lines) else ', '.join(names)}: {why}."
        for why, names in short.items()
    ]
    said += [f"Left out: {count:,} {what}." for what, count in found.unreadable.items()]
    return said


def _who(name: str, side: Side) -> str:
    exposure = side.exposure
    units = f"{len(side.restaurant_days)} restaurant-days"
    flags = f"flags on in {exposure.on}, off in {exposure.off}, not known in {exposure.unknown}"
    return f"{name}: {len(side.bookings)} bookings, {exposure.runs} runs, {units}; {flags}."


def _line(line: Line) -> tuple[str, ...]:
    before, after = (
        _value(value, line.unit, beyond=name in line.beyond)
        for name, value in (("baseline", line.baseline), ("post", line.post))
    )
    relative = line.claim.bound is Bound.RATIO_AT_MOST
    return (
        line.claim.name,
        before,
        after,
        _change(line.delta.value, relative=relative),
        _interval(line.delta, lambda value: _change(value, relative=relative)),
        *_sizes(line.delta),
    )


def _judged(one: Judgement) -> tuple[str, ...]:
    claim, found = one.claim, one.estimate
    finding = str(one.finding)
    if one.for_want_of_data:
        finding += ", for want of data"
    if isinstance(claim, Goal) and not claim.decides:
        finding += " (shown, does not decide)"

    def say(value: float | None) -> str:
        if claim.bound.relative:
            return _change(value, relative=claim.bound is Bound.RATIO_AT_MOST)
        return _value(value, unit_of(claim), beyond=False)

    interval = NOTHING if claim.statistic in COUNTS else _interval(found, say)
    return (claim.name, wanted(one), finding, say(found.value), interval, *_sizes(found), one.why)


def wanted(one: Judgement) -> str:
    """Say what a goal or guardrail wants."""
    claim = one.claim
    if claim.bound is Bound.RATIO_AT_MOST:
        bound = _change(claim.value, relative=True)
    elif claim.bound in {Bound.RISE_AT_MOST, Bound.FALL_AT_MOST}:
        word = "rise" if claim.bound is Bound.RISE_AT_MOST else "fall"
        bound = f"{word} at most {claim.value * 100:.4g} pp"
    else:
        word = "at least" if claim.bound is Bound.AT_LEAST else "at most"
        bound = f"{word} {_value(claim.value, unit_of(claim), beyond=False)}"
    if claim.statistic != "share_above":
        return f"{claim.statistic} {bound}"
    limit = claim.above if claim.above is not None else one.frozen
    shown = NOTHING if limit is None else _ms(limit) if claim.measure.endswith("_ms") else f"{limit:g}"
    return f"above {shown}: {bound}"


def unit_of(claim: Claim) -> str:
    """Give the unit of a claim's own figure."""
    if claim.statistic in {"rate", "share_above"}:
        return "share"
    return "ms" if claim.measure.endswith("_ms") and claim.statistic not in COUNTS else ""


def _sizes(found: Estimate) -> tuple[str, str, str]:
    both = [side for side in (found.baseline, found.post) if side is not None]
    return (
        " / ".join(f"{side.rows:,}" for side in both),
        " / ".join(f"{int(side.effective):,}" for side in both),
        f"{found.needed:,}" if found.needed else NOTHING,
    )


def _interval(found: Estimate, say: Callable[[float], str]) -> str:
    lower, upper = found.interval
    if not isfinite(upper) and lower <= 0:  # anything is possible, of a ratio too
        return NOTHING
    return f"{_OPEN if not isfinite(lower) else say(lower)} to {_OPEN if not isfinite(upper) else say(upper)}"


def _change(value: float | None, *, relative: bool) -> str:
    if value is None or not isfinite(value):
        return NOTHING
    return f"{(value - 1) * 100:+,.1f} %" if relative else f"{value * 100:+,.1f} pp"


def _value(value: float | None, unit: str, *, beyond: bool) -> str:
    if value is None:
        return NOTHING
    said = f"{value * 100:.1f} %" if unit == "share" else _ms(value) if unit == "ms" else f"{value:,.4g}"
    return f"> {said}" if beyond else said


def _ms(value: float) -> str:
    return f"{value:,.0f} ms" if value >= 100 else f"{value:.3g} ms"  # noqa: PLR2004 - three digits are enough


def markdown(found: Comparison) -> str:
    """Write a comparison as a Markdown page."""
    return "\n".join([f"# Auto-assign, {title(found)}", "", *markdown_body(found)]) + "\n"


def markdown_body(found: Comparison) -> list[str]:
    """Write its tables and remarks, without a heading."""
    lines = []
    for grid in grids(found):
        text, numbers = ["---"] * (len(grid.header) - grid.numbers), ["---:"] * grid.numbers
        lines += [f"## {grid.title}", "", markdown_row(grid.header), markdown_row(text + numbers)]
        lines += [*map(markdown_row, grid.rows), ""]
    return [*lines, *(f"- {remark}" for remark in remarks(found))]


def as_json(found: Comparison) -> dict[str, Any]:
    """Give a comparison as what JSON can say: shares and ratios as fractions, what does not exist as null."""
    return {
        "window": _window(found.window),
        "baseline_window": None if found.before is None else _window(found.before),
        "unit": str(found.stage.unit),
        "exposure": found.stage.exposure,
        "sides": {"baseline": _side(found.baseline), "post": _side(found.post)},
        "faults": list(found.faults),
        "caps": list(found.caps),
        "template": [
            {
                "figure": line.claim.name,
                "measure": line.claim.measure,
                "statistic": line.claim.statistic,
                "above": line.claim.above,
                "unit": line.unit,
                "baseline": line.baseline,
                "post": line.post,
                "only_known_to_be_larger": list(line.beyond),
                "delta_is": "ratio" if line.claim.bound is Bound.RATIO_AT_MOST else "difference",
                "delta": _estimate(line.delta),
                "beside": line.beside,
            }
            for line in found.lines
        ],
        "judgements": [judgement_json(one) for one in found.judgements],
        "outliers": [asdict(one) for one in found.beyond],
        "unreadable": dict(found.unreadable),
        "jobs_that_decided_nothing": {
            name: {"count": count, "jobs": jobs} for name, (count, jobs) in found.idle.items()
        },
        "data": found.data,
    }


def judgement_json(one: Judgement) -> dict[str, Any]:
    """Give a judgement as what JSON can say."""
    return {
        "name": one.claim.name,
        "kind": "goal" if isinstance(one.claim, Goal) else "guardrail",
        "measure": one.claim.measure,
        "statistic": one.claim.statistic,
        "bound": str(one.claim.bound),
        "value": one.claim.value,
        "decides": not isinstance(one.claim, Goal) or one.claim.decides,
        "finding": str(one.finding),
        "for_want_of_data": one.for_want_of_data,
        "why": one.why,
        "estimate": _estimate(one.estimate),
        "without_outliers": None if one.without_outliers is None else str(one.without_outliers),
        "frozen": one.frozen,
    }


def _window(window: Window) -> dict[str, str]:
    return {"start": window.start.astimezone(UTC).isoformat(), "end": window.end.astimezone(UTC).isoformat()}


def _side(side: Side) -> dict[str, Any]:
    return {
        "bookings": len(side.bookings),
        "runs": side.exposure.runs,
        "restaurant_days": len(side.restaurant_days),
        "restaurants": sorted(map(str, side.restaurants)),
        "units": side.units,
        "flags": asdict(side.exposure),
        "mixed_runs": side.mixed_runs,
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    return {
        "value": _finite(found.value),
        "lower": _finite(found.lower),
        "upper": _finite(found.upper),
        "interval": [_finite(limit) for limit in found.interval],
        "baseline": None if found.baseline is None else _size(found.baseline),
        "post": _size(found.post),
        "needed": found.needed,
        "shortage": found.shortage,
        "obstacle": found.obstacle,
    }


def _size(size: Size) -> dict[str, Any]:
    return {
        "rows": size.rows,
        "bookings": size.bookings,
        "units": size.units,
        "design_effect": _finite(size.effect),
        "effective_rows": round(size.effective, 1),
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
