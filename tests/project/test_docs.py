"""Documents that say what the code does are held against it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from observability_events.instruments import TABLE
from observability_events.sink.kafka_telemetry import TABLE as KAFKA
from otel_auto_assign.commands.settings import SETTINGS_PAGE
from otel_auto_assign.settings import settings_table
from tests.project.sources import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
RECORDS = sorted(ROOT.glob("docs/decisions/*.md"))


def test_the_page_of_settings_is_current() -> None:
    """``make docs`` was run after the last change of a setting."""
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert page == SETTINGS_PAGE.format(table=settings_table())


def test_the_page_of_metrics_is_current() -> None:
    """Each metric of the pipeline's own stands in it with the fields that it is made from, then Kafka's; no other."""
    page = (ROOT / "docs" / "telemetry.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if line.startswith(("| `otel.", "| `auto_assign."))]
    assert shown == [f"| `{one.name}` | {one.kind} | `{one.unit}` | {one.source} |" for one in TABLE] + [
        f"| `{name}` | {kind} | `{unit}` | {meaning} |" for name, kind, unit, meaning in KAFKA
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """A relative link of a page names a file of the repository."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_there_are_decision_records() -> None:
    """Records are numbered from 1 without a gap."""
    assert [path.name[:5] for path in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]
    assert RECORDS


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_record_is_short_and_whole(record: Path) -> None:
    """It has a title, a context, a choice and a consequence, in not much more than ten lines."""
    lines = [line for line in record.read_text(encoding="utf-8").splitlines() if line]
    assert lines[0].startswith("# ")
    assert [line for line in lines if line.startswith("**")] == [
        line for word in ("Context", "Choice", "Consequence") for line in lines if line.startswith(f"**{word}.** ")
    ]
    assert len([line for line in lines if line.startswith("**")]) == 3
    assert len(lines) <= 14
