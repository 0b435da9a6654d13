"""The page of a comparison: what each goal came to, the team's template, and both sides drawn over each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np

from otel_auto_assign.analysis import comparison_text
from otel_auto_assign.analysis.comparison import Comparison
from otel_auto_assign.analysis.judging import Finding, Judgement
from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.course import course, course_section
from otel_auto_assign.analysis.page.curves import MANY_ATTEMPTS
from otel_auto_assign.analysis.page.distribution import Spread, distribution, legend
from otel_auto_assign.analysis.page.document import document, fitted, pair, said, section
from otel_auto_assign.analysis.page.markup import Html, element, short
from otel_auto_assign.analysis.page.reasons import Reasons, reason_sections
from otel_auto_assign.analysis.page.report import NEEDED, attempts_word
from otel_auto_assign.analysis.page.scales import ms_text, share_text
from otel_auto_assign.analysis.page.shift import shift_section, spread
from otel_auto_assign.analysis.page.tables import grid_table, notes, table
from otel_auto_assign.analysis.plans import MEASURES, QUANTILES, Goal
from otel_auto_assign.analysis.quantiles import quantile
from otel_auto_assign.analysis.report_text import NOTHING, Grid
from otel_auto_assign.analysis.samples import Sample

TITLE: Final = "Flags on against flags off"
MEASURE: Final = "planner_job_ms"
"""What is drawn: the duration by which the planner's speed is judged."""
LONGEST_REMARK: Final = 2000
"""Characters: five addresses of traces are in one."""
_ATTEMPTS: Final = "attempts_per_booking"
_SIDES: Final = (("baseline", "a"), ("post", "b"))
_CLASSES: Final = {
    Finding.MET: "good", Finding.HELD: "good", Finding.MISSED: "bad", Finding.BREACHED: "bad"
}  # fmt: skip


def comparison_page(found: Comparison, reasons: Reasons, remarks: Sequence[str] = ()) -> str:
    """Write the page of a comparison, as one HTML file that needs nothing else.

    Args:
        found: What was compared.
        reasons: Of the same time.
        remarks: What whoever compared has to say beforehand, each a sentence.
    """
    drawn = (
        [_durations(found), *shift_section(*found.cohorts.sides(MEASURE)), _course(found), _attempts(found)]
        if _runs(found)
        else []
    )
    sides = tuple((name, style, _side_word(name)) for name, style in _SIDES)
    return fitted(
        lambda rows: _page(found, remarks, [*drawn, *(reason_sections(reasons, sides, rows) if drawn else [])], rows)
    )


def _runs(found: Comparison) -> int:
    return found.post.exposure.runs + found.baseline.exposure.runs


def _page(found: Comparison, remarks: Sequence[str], drawn: Sequence[Html], rows: int) -> str:
    known = comparison_text.remarks(found)[len(found.faults) + len(found.caps) :]
    links = {trace for one in found.beyond for trace in one.traces if trace}
    forbidden = [f"INVALID: {fault}." for fault in found.faults] + [f"MARGINAL at best: {cap}." for cap in found.caps]
    top = [
        *(element("p", short(one, 400), class_="warn") for one in forbidden),
        notes(remarks),
    ]
    if not _runs(found):
        nothing = element(
            "p", "There is nothing to compare: no job and no inline run began in this time.", class_="lead"
        )
        return document(TITLE, comparison_text.title(found), nothing, *top, notes(known, LONGEST_REMARK, links=links))
    template, beside, *judged = comparison_text.grids(found)
    goals = [one for one in found.judgements if isinstance(one.claim, Goal)]
    guardrails = [one for one in found.judgements if not isinstance(one.claim, Goal)]
    lists = [
        section(grid.title, _list(of, grid, rows))
        for grid, of in zip(judged, [part for part in (goals, guardrails) if part], strict=True)
    ]
    return document(
        TITLE,
        comparison_text.title(found),
        element("p", _summary(goals, guardrails), class_="lead"),
        *top,
        *(said(one) for one in known[:2]),
        *lists[:1],
        section(
            "The template",
            said("n is that of baseline / post; effective n is what they are worth, their rows not being independent."),
            grid_table(template, most=rows),
        ),
        *drawn,
        *lists[1:],
        section("Beside it", said("What explains the template, and decides nothing."), grid_table(beside, most=rows)),
        section("What else is known", notes(known[2:], LONGEST_REMARK, links=links)) if known[2:] else Html(),
    )


def _summary(goals: Sequence[Judgement], guardrails: Sequence[Judgement]) -> str:
    """Count the findings; a goal that does not decide is not among them."""
    parts = []
    for noun, judged in (("Goals", goals), ("Guardrails", guardrails)):
        counts = Counter(one.finding for one in judged if _decides(one))
        words = [f"{count} {finding}" for finding in Finding if (count := counts[finding])]
        shown = sum(not _decides(one) for one in judged)
        words += [f"{shown} only shown"] if shown else []
        parts += [f"{noun}: {', '.join(words)}."] if words else []
    return " ".join(parts)


def _decides(one: Judgement) -> bool:
    return not isinstance(one.claim, Goal) or one.claim.decides


def _list(judged: Sequence[Judgement], grid: Grid, most: int) -> Html:
    """Goals or guardrails, each with its finding and why; in the words of the terminal's table."""
    made = []
    for one, row in list(zip(judged, grid.rows, strict=True))[:most]:
        name, wanted, finding, estimate, interval, rows, effective, needed, why = (short(cell, 240) for cell in row)
        told = f"Wanted: {wanted}. Found: {estimate}"
        told += f", 95 % interval {interval}" if interval != NOTHING else ", no interval"
        told += f". n {rows}, effective {effective}" + (f", needed {needed}." if needed != NOTHING else ".")
        made.append(
            element(
                "li",
                element("p", name, ": ", element("span", finding, class_="finding"), class_="name"),
                element("p", told),
                element("p", f"{why[:1].upper()}{why[1:]}."),
                class_=_CLASSES.get(one.finding, "open"),
            )
        )
    return element("ul", *made, class_="goals")


def _sides(found: Comparison, measure: str) -> list[tuple[str, str, Sample]]:
    """Name, style and sample of the sides that have rows, the baseline first."""
    post, baseline = found.cohorts.sides(measure)
    both = zip(_SIDES, (baseline, post), strict=True)
    return [(name, style, sample) for (name, style), sample in both if sample.rows]


def _missing(sides: Sequence[tuple[str, str, Sample]], what: str) -> list[str]:
    there = {name for name, *_ in sides}
    return [f"The {name} side has no {what}." for name, _ in _SIDES if name not in there]


def _durations(found: Comparison) -> Html:
    title = "How long the planner takes"
    sides = _sides(found, MEASURE)
    if not sides:
        return section(title, said(f"Neither side has a row of this: {MEASURES[MEASURE]}."))
    spreads = [Spread(name, style, spread(sample.values), sample.rows) for name, style, sample in sides]
    medians = [f"{one.label}: half of {one.rows:,} took {ms_text(one.values[100])} or less" for one in spreads]
    chart = distribution(
        "durations",
        "The share of first planner calls that took no longer than so long, of both sides, on a logarithmic axis",
        "; ".join(medians) + ".",
        spreads,
    )
    rows = []
    for name, at in QUANTILES.items():
        values = [
            ms_text(quantile(np.sort(sample.values), at)) if sample.rows >= NEEDED[name] else NOTHING
            for _, _, sample in sides
        ]
        rows.append((name, *values))
    rows.append(("n", *(f"{sample.rows:,}" for *_, sample in sides)))
    numbers = table(
        "First planner call of each job", ("statistic", *(name for name, *_ in sides)), rows, numbers=len(sides)
    )
    few = [
        f"Quantiles without a value take more rows: {', '.join(f'{name} {count}' for name, count in NEEDED.items())}."
    ] * any(NOTHING in row for row in rows)
    return section(
        title,
        said(f"{MEASURES[MEASURE][0].upper()}{MEASURES[MEASURE][1:]}: repeats that are gone are no speed-up."),
        legend(*((style, _side_word(name)) for name, style, _ in sides)),
        pair(chart, numbers),
        notes([*_missing(sides, "planner call of a job"), *few]),
    )


def _course(found: Comparison) -> Html:
    sides = _sides(found, MEASURE)
    return course_section(
        [(name, style, _side_word(name)) for name, style, _ in sides],
        course({name: sample for name, _, sample in sides}),
        found.exposed_since,
    )


def _side_word(name: str) -> str:
    return f"{name} (flags {'off' if name == 'baseline' else 'on'})"


def _attempts(found: Comparison) -> Html:
    title = "How many attempts a booking takes"
    sides = _sides(found, _ATTEMPTS)
    if not sides:
        return section(title, said("No booking of either side has an attempt."))
    counted = {
        name: Counter(np.minimum(sample.values, MANY_ATTEMPTS).astype(int).tolist()) for name, _, sample in sides
    }
    keys = range(1, max(key for counts in counted.values() for key in counts) + 1)
    words = [attempts_word(key) for key in keys]
    series = [
        charts.Series(name, style, {key: counted[name][key] / sample.rows for key in keys})
        for name, style, sample in sides
    ]
    means = "; ".join(f"{name}: {sample.values.mean():.3g} on average" for name, _, sample in sides)
    chart = charts.frame(
        "attempts", "The share of bookings by their number of attempts, of both sides", f"{means}.",
        charts.columns(series, keys, words, [""] * len(keys)),
    )  # fmt: skip
    rows = [
        (word, *(f"{share_text(one.values[key])} ({counted[one.label][key]:,})" for one in series))
        for key, word in zip(keys, words, strict=True)
    ]
    header = ("attempts", *(name for name, *_ in sides))
    counts = " and ".join(f"{sample.rows:,} ({name})" for name, _, sample in sides)
    numbers = table(f"Attempts of {counts} bookings", header, rows, numbers=len(sides))
    return section(
        title,
        said(f"As shares, because the sides differ in size. {means[:1].upper()}{means[1:]}."),
        legend(*((f"fill {style}", _side_word(name)) for name, style, _ in sides)),
        pair(chart, numbers),
        notes(_missing(sides, "booking with an attempt")),
    )
