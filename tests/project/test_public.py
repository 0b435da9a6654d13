"""The public surface is what the documents say, no more and no less."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest

from tests.project.sources import PACKAGES, ROOT
from tests.project.surface import MODULES, surface


def documented(package: str) -> list[str]:
    """Names in the table of the package's section of docs/api.md."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    section = page.split(f"## `{package}`\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize("package", MODULES)
def test_all_is_what_is_documented(package: str) -> None:
    """``__all__`` is sorted and exactly the page's names."""
    module = importlib.import_module(package)
    assert module.__all__ == sorted(module.__all__)
    assert module.__all__ == sorted(documented(package))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_says_what_it_is(package: str) -> None:
    """Each name is there and, but for the version, has a docstring; nothing else without underscore is exported."""
    module = importlib.import_module(package)
    for name in module.__all__:
        assert name == "__version__" or (getattr(module, name).__doc__ or "").strip(), name
    exported = {
        name for name, value in vars(module).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert exported - set(module.__all__) <= {"annotations", "Final"}


def test_the_surface_is_frozen() -> None:
    """What users depend on changes only by intent; docs/api.md says how."""
    known = (ROOT / "tests" / "project" / "surface.txt").read_text(encoding="utf-8").splitlines()
    now = surface().splitlines()
    assert (sorted(set(known) - set(now)), sorted(set(now) - set(known))) == ([], []), (
        "gone, and new: if you mean it, say so in CHANGELOG.md and run "
        "python -m tests.project.surface > tests/project/surface.txt"
    )
