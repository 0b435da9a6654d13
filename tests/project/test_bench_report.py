"""The table of the benchmarks: what it says, and when it counts as out of date."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measure import Measured, Side, Spread, interleaved
from benchmarks.report import BEGIN, END, Conditions, Goal, Result

CHEAP = Result("cheap thing", "dear thing", Spread(0.5, 0.4, 0.6), "1.00 against 2.00 µs", Goal(0.9))
DEAR = Result("dear thing", "cheap thing", Spread(2.0, 1.9, 2.1), "2.00 against 1.00 µs", Goal(0.9))
FAST = Result("fast thing", "slow thing", Spread(20.0, 19.0, 21.0), "20 against 1 rows/s", Goal(15, at_least=True))
CONDITIONS = Conditions("18.0", 0.5)
PLAIN = Result("thing", "other", Spread(1.0, 1.0, 1.0), "")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page with an empty table, in the place of the real one."""
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{BEGIN}{END}\nafter\n")
    monkeypatch.setattr(report, "PAGE", path)
    return path


def test_a_missed_goal_is_said() -> None:
    """The median decides; without a goal nothing is missed."""
    assert [result.missed for result in (CHEAP, DEAR, FAST, PLAIN)] == [False, True, False, False]
    assert (
        DEAR.line == "| dear thing | cheap thing | ≤ 0.9 | 2.00 (1.90 to 2.10) | 2.00 against 1.00 µs | **missed** |\n"
    )
    assert FAST.line.startswith("| fast thing | slow thing | ≥ 15 | 20.00 ")


def test_the_table_is_current_after_it_was_written(page: Path) -> None:
    """What stood around the table stays, and other numbers alone do not make it old."""
    results = [CHEAP, DEAR, FAST, PLAIN]
    report.write([DEAR], CONDITIONS)
    report.write(results, CONDITIONS)
    text = page.read_text()

    assert text.startswith(f"before\n\n{BEGIN}Measured on 20")
    assert text.endswith(f"{END}\nafter\n")
    assert report.out_of_date(results) == []
    slower = Result(CHEAP.what, CHEAP.against, Spread(0.7, 0.6, 0.8), "3 against 4 µs", CHEAP.goal)
    assert report.out_of_date([slower, DEAR, FAST, PLAIN]) == []


def test_the_table_is_old_when_lines_goals_or_our_version_differ(page: Path) -> None:
    """A line more, a line less, another goal and another version of ours are each said."""
    report.write([CHEAP, PLAIN], CONDITIONS)
    stricter = Result(CHEAP.what, CHEAP.against, CHEAP.ratio, CHEAP.numbers, Goal(0.8))

    assert report.out_of_date([CHEAP, PLAIN, FAST]) == ["has no line: fast thing against slow thing, ≥ 15"]
    assert report.out_of_date([CHEAP]) == ["has a line too many: thing against other"]
    assert report.out_of_date([stricter, PLAIN]) == [
        "has no line: cheap thing against dear thing, ≤ 0.8",
        "has a line too many: cheap thing against dear thing",
    ]
    page.write_text(page.read_text().replace("otel-auto-assign ", "otel-auto-assign 0.0."))
    assert [reason.split(" ")[:2] for reason in report.out_of_date([CHEAP, PLAIN])] == [["is", "not"]]


def test_ratios_pair_the_rounds() -> None:
    """A round that was slow for both sides does not count against either."""
    measured = Measured({"ours": [1.0, 10.0, 2.0], "theirs": [2.0, 20.0, 4.0]})
    assert measured.ratio("ours", "theirs") == Spread(0.5, 0.5, 0.5)


def test_sides_take_turns() -> None:
    """Each side runs once a round, in turn first and last; the warm-up is not counted."""
    order: list[str] = []

    def side(name: str) -> Side:
        def run() -> float:
            order.append(name)
            return float(len(order))

        return Side(name, run)

    measured = interleaved(side("a"), side("b"), rounds=3)
    assert "".join(order) == "baabbaabba"
    assert measured.samples == {"a": [6.0, 7.0, 10.0], "b": [5.0, 8.0, 9.0]}


def test_the_kept_table_is_of_this_version() -> None:
    """The page in the repository has a table, and it was measured with our current version."""
    text = report.PAGE.read_text(encoding="utf-8")
    table = text.split(BEGIN, 1)[1].split(END, 1)[0]
    assert str(CONDITIONS).split(": ", 1)[1].split(", ")[1] in table
    assert report.HEAD in table
