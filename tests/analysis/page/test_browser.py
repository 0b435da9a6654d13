"""The pages in a real browser, as the two commands write them: three widths, light and dark, nothing to much data.

Nothing here looks at a picture: what must hold is measured in the page. They run in `make test-debian` alone.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from otel_auto_assign.cli import app
from tests.analysis.flows import job
from tests.analysis.pilot import START, Pilot
from tests.analysis.rows import Row, insert
from tests.browser import Browser
from tests.postgres import create_events_table, dsn_into, new_schema

pytestmark = pytest.mark.debian
WIDTHS = (360, 800, 1280)
DAY = ("--from", "2026-11-01", "--to", "2026-11-02")
FOUR_WEEKS = ("--from", "2026-09-01", "--to", "2026-09-29")
EVIL = "<script>document.title='owned'</script><img src=http://127.0.0.1:9/x onerror=alert(1)>" + "W" * 300
FETCHING = "<script src=evil.js></script><style>h1{visibility:hidden}</style><link rel=stylesheet href=evil.css>"
PAGES = {
    "report of nothing": 0, "report of three calls": 4, "report of much": 5, "report of hostile rows": 4,
    "comparison of nothing": 0, "comparison of four bookings": 4, "comparison of much": 6,
}  # fmt: skip
"""With how many charts each has."""
MEASURE = (Path(__file__).parent / "measure.js").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for all tests."""
    with Browser() as one:
        yield one


@pytest.fixture(scope="module")
def pages(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The address of each page."""
    folder = tmp_path_factory.mktemp("pages")
    turned = [
        *Pilot(days=14, per_day=60, switch=lambda *_: False).rows(),
        *Pilot(
            days=14, per_day=60, switch=lambda *_: True, start=START + timedelta(days=14), first_booking=9000, seed=2
        ).rows(),
    ]
    hostile = [
        Row(r.event_type, {**r.context, "reasonCode": f"{n} {EVIL}", "environment": f"{n} {EVIL}"}, r.at, r.source)
        for n in range(60)
        for r in job(f"{n:016x}")
    ]
    three = [row for n in range(3) for row in job(f"{n:016x}", booking=uuid.UUID(int=n + 1))]
    made: dict[str, tuple[list[Row], tuple[str, ...]]] = {
        "report of nothing": ([], ("report", *DAY)),
        "report of three calls": (three, ("report", *DAY)),
        "report of much": (turned, ("report", *FOUR_WEEKS, "--by", "restaurant")),
        "report of hostile rows": (hostile, ("report", *DAY, "--by", "environment", "--by", "reason")),
        "comparison of nothing": ([], ("compare", *FOUR_WEEKS)),
        "comparison of four bookings": (Pilot(days=2, per_day=2).rows(), ("compare", *FOUR_WEEKS)),
        "comparison of much": (Pilot(per_day=60).rows(), ("compare", *FOUR_WEEKS)),
    }
    found = {}
    for number, (name, (rows, arguments)) in enumerate(made.items()):
        file = folder / f"{number}.html"
        with new_schema(server_dsn) as schema:
            dsn = dsn_into(server_dsn, schema)
            with psycopg.connect(dsn, autocommit=True) as conn:
                create_events_table(conn)
                insert(conn, rows)
            done = CliRunner().invoke(app, [*arguments, "--dsn", dsn, "--html", str(file)])
        assert done.stdout.startswith("Written: "), done.output
        found[name] = file.as_uri()
    return found


def measured(browser: Browser) -> dict[str, Any]:
    """What measure.js finds in the page that is open."""
    return dict(json.loads(browser.run(MEASURE)))


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_seen_whole(browser: Browser, pages: dict[str, str], name: str, width: int, dark: bool) -> None:
    """No part is wider than the window, every chart is drawn inside it, words are legible and never on each other."""
    browser.open(pages[name], width=width, dark=dark)
    found = measured(browser)
    assert found["page"] <= width
    assert found["charts"] == PAGES[name]
    assert found["undrawn"] == []
    assert found["outside"] == []
    assert found["on each other"] == []
    assert found["faint words"] == []
    assert found["faint marks"] == []
    assert found["small words"] == []
    assert found["dark"] is dark


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_and_complains_of_nothing(browser: Browser, pages: dict[str, str], name: str) -> None:
    """One request, the page itself; no line on the console; and nothing in the data has run."""
    browser.open(pages[name], width=800)
    title = browser.run("document.title")
    assert browser.run("document.fonts.ready.then(() => document.querySelectorAll('script, img, iframe').length)") == 0
    assert [one for one in browser.requests() if one != "data:,"] == [pages[name]]
    assert browser.complaints() == []
    assert title.startswith(("Automatic table assignment, 2026", "Flags on against flags off, 2026"))


def test_its_policy_forbids_what_is_put_into_it(browser: Browser, pages: dict[str, str], tmp_path: Path) -> None:
    """Even if markup from the data got through, no script would run and nothing would be fetched."""
    page = Path(pages["report of much"].removeprefix("file://")).read_text(encoding="utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(page.replace("</main>", f"{EVIL}{FETCHING}</main>"), encoding="utf-8")
    (tmp_path / "evil.js").write_text("document.title = 'owned'")
    browser.open(broken.as_uri(), width=800)
    assert browser.run("document.title").startswith("Automatic table assignment")
    assert browser.run("getComputedStyle(document.querySelector('h1')).visibility") == "visible"
    blocked = [one for one in browser.complaints() if "Content Security Policy" in one]
    assert len(blocked) >= 4
    asked = browser.requests()
    asked.pop("data:,", "")  # the icon
    assert asked.pop(broken.as_uri()) == ""
    assert len(asked) >= 3
    assert set(asked.values()) == {"csp"}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_heard(browser: Browser, pages: dict[str, str], name: str) -> None:
    """Every chart and table has a name, and the headings are there to jump by."""
    browser.open(pages[name], width=800)
    charts = browser.spoken("image")
    assert len(charts) == PAGES[name]
    assert all(len(one) > 20 for one in charts)
    tables = browser.spoken("table")
    assert len(tables) >= PAGES[name]
    assert all(tables)
    assert len(browser.spoken("heading")) >= PAGES[name] + 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["report of much", "comparison of much"])
def test_a_page_prints(browser: Browser, pages: dict[str, str], name: str, dark: bool) -> None:
    """Dark on white whatever the screen is, and no table is cut at the edge of the paper."""
    browser.open(pages[name], width=700, dark=dark, medium="print")
    found = measured(browser)
    assert found["page"] <= 700
    assert found["cut"] == []
    assert found["dark"] is False
    assert found["faint words"] == []
    assert browser.printed().startswith(b"%PDF")


@pytest.mark.usefixtures("server_dsn")  # of all tests with a browser only those with a database are run
def test_what_is_measured_is_seen_to_be_wrong(browser: Browser, tmp_path: Path) -> None:
    """The measure finds a page that is too wide, faint words, a chart without a drawing, words on each other."""
    bad = tmp_path / "bad.html"
    bad.write_text(
        "<!doctype html><body style='background:#fff'><p style='color:#aaa'>faint</p><p style='width:2000px'>wide</p>"
        "<svg class=chart width=300 height=100></svg><svg class=chart width=300 height=100><path d='M0,0L9,9' "
        "style='stroke:#eee;fill:none'/><text x=0 y=20>one</text><text x=5 y=20>another</text>"
        "<text x=900 y=50>out</text>"
        "<text x=0 y=60 style='font-size:6px'>tiny</text></svg>"
    )
    browser.open(bad.as_uri(), width=360)
    found = measured(browser)
    assert found["page"] > 360
    assert (len(found["undrawn"]), len(found["outside"]), len(found["on each other"])) == (1, 1, 1)
    assert [len(found[name]) for name in ("faint words", "faint marks", "small words")] == [1, 1, 1]
