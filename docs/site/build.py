"""``make site``: the pages as a site.

The pages lie all over the repository, and their links are right where they lie. So they are copied as they lie, with
the files that they link to, and the generator sees one folder.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = ("*.md", "docs/**/*.md", "benchmarks/*.md", "examples/*/README.md")
RECORDS: Final = Path("docs", "decisions")
_LINK: Final = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)#\s]+)[^)]*\)")


def build_site(target: Path) -> None:
    """Build the site into ``target``.

    Raises:
        mkdocs.exceptions.Abort: if a link leads nowhere, or a page is in no menu.
    """
    with TemporaryDirectory() as folder:
        for page in sorted(path for pattern in PAGES for path in ROOT.glob(pattern)):
            copy = Path(folder) / page.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_LINK.sub(partial(_on_the_site, page.parent), page.read_text("utf-8")), "utf-8")
        shutil.copytree(ROOT / "docs" / "pictures", Path(folder) / "docs" / "pictures")
        (Path(folder) / RECORDS / "index.md").write_text(_records(), "utf-8")
        build(
            load_config(str(ROOT / "docs" / "site" / "mkdocs.yml"), docs_dir=folder, site_dir=str(target), strict=True)
        )


def _on_the_site(folder: Path, link: re.Match[str]) -> str:
    """Leave links to pages; what is no page (a source file, a folder) is not on the site, and only its name is left."""
    there = (folder / link[2]).resolve()
    if there == ROOT / RECORDS:
        return f"{link[0][:-1].rstrip('/')}/index.md)"
    is_page = there.suffix in {".md", ".svg"} or not there.exists()  # what is missing is the generator's to complain of
    return link[0] if is_page else link[1]


def _records() -> str:
    """List the decision records."""
    titles = ((path.name, path.read_text("utf-8").partition("\n")[0]) for path in sorted((ROOT / RECORDS).glob("*.md")))
    return "\n".join(
        ["# Why it is built this way", "", *(f"- [{title.lstrip('# ')}]({name})" for name, title in titles)]
    )


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        build_site(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site")
    except Abort as abort:
        sys.exit(abort.code)
