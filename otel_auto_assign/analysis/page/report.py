"""The page of one window: how long, how often and why, with what the data cannot carry left out and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from otel_auto_assign import semconv
from otel_auto_assign.analysis import report_text
from otel_auto_assign.analysis.figures import ALL, Figure, Report
from otel_auto_assign.analysis.page import charts
from otel_auto_assign.analysis.page.curves import MANY_ATTEMPTS, Curves
from otel_auto_assign.analysis.page.distribution import Spread, distribution
from otel_auto_assign.analysis.page.document import document, fitted, pair, said, section
from otel_auto_assign.analysis.page.markup import Html, element, joined, linked
from otel_auto_assign.analysis.page.scales import ms_text, share_text
from otel_auto_assign.analysis.page.tables import WEAK, grid_table, notes, table
from otel_auto_assign.analysis.page.timeline import timeline
from otel_auto_assign.analysis.plans import QUANTILES
from otel_auto_assign.analysis.quantiles import needed

TITLE: Final = "Automatic table assignment"
UNCACHED: Final = "cache_hits=excluded"
DECIDED: Final = "outcome=decided"
SPLIT: Final = "reason"
"""By what the page needs the figures split, whatever else they are split by."""
MOST_BARS: Final = 10
"""Reasons that are drawn, the most frequent first; the table has more of them."""
MOST_WARNINGS: Final = 4
REST: Final = "--csv"
"""The option of `report` that has every figure."""
NEEDED: Final[Mapping[str, int]] = {name: needed(at) for name, at in QUANTILES.items()}
"""Rows with which a quantile has an upper limit."""
SMALL: Final = (
    f"{WEAK} So few rows put no upper limit on such a quantile ("
    + ", ".join(f"{name} needs {count}" for name, count in NEEDED.items())
    + "): the value is what these rows say, and no more."
)
_TILES: Final = (
    ("Planner p50, without cache hits", "planner_duration_p50_ms", UNCACHED, "calls"),
    ("Planner p95, without cache hits", "planner_duration_p95_ms", UNCACHED, "calls"),
    ("Jobs that succeeded, of those decided", "job_success_rate_pct", DECIDED, "jobs"),
    ("Inline time-outs, beside successes", "inline_timeout_pct", ALL, "runs"),
    ("Attempts a booking, average", "job_attempts_avg", ALL, "bookings"),
)
_STATISTICS: Final = ("p50", "p90", "p95", "p99", "avg", "max")


def report_page(report: Report, curves: Curves, *, by: Sequence[str] = ()) -> str:
    """Write the page of a window, as one HTML file that needs nothing else.

    Args:
        report: With its figures split by `SPLIT`.
        curves: Of the same rows.
        by: By what the figures in its tables are split.
    """
    return fitted(lambda rows: _page(report, curves, by, rows))


def _page(report: Report, curves: Curves, by: Sequence[str], rows: int) -> str:
    remarks = report_text.remarks(report)
    lead = element("p", remarks[0], class_="lead")
    if not report.own_rows:
        return document(TITLE, report_text.title(report), lead, joined(*(said(one) for one in remarks[1:])))
    warnings, links = remarks[1 + len(report.slowest) :], report_text.trace_links(report)
    shown = replace(report, figures=[one for one in report.figures if _split(one) in {"", *by}])
    tables = [grid_table(grid, most=rows, doubt=doubtful, rest=REST) for grid in report_text.grids(shown)]
    return document(
        TITLE,
        report_text.title(report),
        lead,
        notes(remarks[1 : 1 + len(report.slowest)], links=links),
        *(element("p", linked(one, links), class_="warn") for one in warnings[:MOST_WARNINGS]),
        notes(_more(len(warnings) - MOST_WARNINGS, "kinds of rows that cannot be read: `--json` lists them")),
        _tiles(report),
        _durations(report, curves),
        timeline(curves, report.window),
        _reasons(report, rows),
        _cache_hits(report, rows),
        _attempts(curves),
        section(
            "All figures",
            said("The better definition of each comes first, today's beside it."),
            *tables,
            notes([SMALL]),
        ),
    )


def doubtful(header: Sequence[str], row: Sequence[str], place: int) -> bool:
    """Whether a cell of a report's table is a quantile of fewer rows than give it an upper limit; n is the last."""
    wanted = NEEDED.get(header[place])
    return wanted is not None and row[place] not in {"", report_text.NOTHING} and int(row[-1].replace(",", "")) < wanted


def _more(count: int, what: str) -> list[str]:
    return [f"And {count:,} more {what}."] if count > 0 else []


def _split(figure: Figure) -> str:
    return figure.split.partition("=")[0]


def _whole(report: Report) -> dict[tuple[str, str], Figure]:
    return {(figure.metric, figure.dimension): figure for figure in report.figures if not figure.split}


def _tiles(report: Report) -> Html:
    found = _whole(report)
    made = []
    for label, metric, dimension, noun in _TILES:
        figure = found[metric, dimension]
        value, under = _text(figure), f"of {figure.sample_size:,} {noun}"
        wanted = next((count for name, count in NEEDED.items() if f"_{name}_" in metric), 0)
        if 0 < figure.sample_size < wanted:
            value, under = report_text.NOTHING, f"{figure.sample_size:,} {noun}, and it takes {wanted}"
        made.append(
            element("div", element("dt", label), element("dd", value, class_="big"), element("dd", under, class_="few"))
        )
    return element("dl", *made, class_="tiles")


def _text(figure: Figure) -> str:
    if figure.value is None or figure.unit != "ms":
        return report_text.value_text(figure)
    return ms_text(float(figure.value))


def _durations(report: Report, curves: Curves) -> Html:
    title = "How long the planner takes"
    whole, found = curves.whole, _whole(report)
    if not whole.curve or whole.p is None:
        return section(title, said("There is no planner call with a duration in this window."))
    p50, p95 = whole.p
    marked = [(name, value) for name, value in (("p50", p50), ("p95", p95)) if whole.calls >= NEEDED[name]]
    told = "; ".join([f"{whole.calls:,} calls", *(f"{name} {ms_text(value)}" for name, value in marked)])
    chart = distribution(
        "durations",
        "The share of planner calls that took no longer than so long, on a logarithmic axis",
        told,
        [Spread("calls", "b", whole.curve, whole.calls)],
        marked=marked,
    )
    header, rows = ("statistic", "duration", "n"), []
    for name in _STATISTICS:
        figure = found[f"planner_duration_{name}_ms", UNCACHED]
        rows.append((name, _text(figure), f"{figure.sample_size:,}"))
    numbers = table(
        "Planner calls, cache hits left out", header, rows, numbers=2,
        doubt=lambda _, row, place: place == 1 and whole.calls < NEEDED.get(row[0], 0),
    )  # fmt: skip
    undrawn = " and no ".join(name for name in ("p50", "p95") if whole.calls < NEEDED[name])
    few = (
        [f"No {undrawn} is drawn: a p50 takes {NEEDED['p50']} calls, a p95 {NEEDED['p95']}.", SMALL] if undrawn else []
    )
    return section(
        title,
        said("Each call that the planner itself answered: an answer from the cache takes no time and would hide it."),
        pair(chart, numbers),
        notes(few),
    )


def _reasons(report: Report, most: int) -> Html:
    title = "What attempts came to"
    found = sorted(
        (one for one in report.figures if one.metric == "reason_share_pct" and not one.split),
        key=lambda one: (-(one.value or Decimal(0)), one.dimension),
    )
    if not found:
        return section(title, said("There is no attempt in this window."))
    rows = [(one.dimension, float(one.value or 0), report_text.value_text(one)) for one in found]
    counted = f"{found[0].sample_size:,}"
    chart = _bars("reasons", "The share of attempts by what they came to", rows, {semconv.CODE_SUCCESS: "good"})
    numbers = table(
        f"Attempts by reason, of {counted}", ("reason", "share"), [(name, text) for name, _, text in rows],
        numbers=1, most=most, rest=REST,
    )  # fmt: skip
    return section(
        title,
        said("Why an attempt found no tables, or its success; attempts that ended by an error are not in it."),
        pair(chart, numbers),
        notes(_undrawn(rows)),
    )


def _cache_hits(report: Report, most: int) -> Html:
    title = "What the cache answers"
    found = sorted(
        (one for one in report.figures if one.metric == "planner_cache_hit_pct" and _split(one) == SPLIT),
        key=lambda one: (-one.sample_size, one.split),
    )
    if not found:
        return section(title, said("There is no planner call with a duration in this window."))
    rows = [
        (one.split.partition("=")[2], float(one.value or 0), f"{report_text.value_text(one)} of {one.sample_size:,}")
        for one in found
    ]
    chart = _bars("cache", "The share of planner calls that the cache answered, by what they came to", rows, {}, 100.0)
    numbers = table(
        "Planner calls by reason, and how many of them the cache answered",
        ("reason", "from the cache", "calls"),
        [(one.split.partition("=")[2], report_text.value_text(one), f"{one.sample_size:,}") for one in found],
        numbers=2, most=most, rest=REST,
    )  # fmt: skip
    whole = _whole(report)["planner_cache_hit_pct", ALL]
    return section(
        title,
        said(
            f"Of all {whole.sample_size:,} calls {report_text.value_text(whole)}; by reason, the most frequent first."
        ),
        pair(chart, numbers),
        notes(_undrawn(rows)),
    )


def _bars(
    name: str, title: str, rows: Sequence[tuple[str, float, str]], styles: Mapping[str, str], most: float | None = None
) -> Html:
    drawn = rows[:MOST_BARS]
    told = "; ".join(f"{label} {text}" for label, _, text in drawn[:3])
    longest = most or max(value for _, value, _ in drawn)
    return charts.frame(name, title, told, charts.bars(drawn, longest, styles), height=charts.bars_height(drawn))


def _undrawn(rows: Sequence[object]) -> list[str]:
    hidden = len(rows) - MOST_BARS
    return [f"The {MOST_BARS} most frequent are drawn, {hidden:,} others are not."] if hidden > 0 else []


def _attempts(curves: Curves) -> Html:
    title = "How many attempts a booking takes"
    bookings = sum(curves.attempts.values())
    if not bookings:
        return section(title, said("No booking has an attempt in this window."))
    keys = range(1, max(curves.attempts) + 1)
    words = [attempts_word(key) for key in keys]
    counts = [curves.attempts.get(key, 0) for key in keys]
    chart = charts.frame(
        "attempts",
        "Bookings by their number of attempts",
        "; ".join(f"{word}: {count:,}" for word, count in zip(words, counts, strict=True)),
        charts.columns(
            [charts.Series("bookings", "b", curves.attempts)],
            keys,
            words,
            [f"{count:,}" if count else "" for count in counts],
        ),
    )
    rows = [(word, f"{count:,}", share_text(count / bookings)) for word, count in zip(words, counts, strict=True)]
    numbers = table(f"Attempts of {bookings:,} bookings", ("attempts", "bookings", "share"), rows, numbers=2)
    return section(
        title,
        said("Bookings with at least one attempt; what came before the window is not counted."),
        pair(chart, numbers),
    )


def attempts_word(count: int) -> str:
    """Write a number of attempts; the last stands for more as well."""
    return f"{count}+" if count == MANY_ATTEMPTS else str(count)
