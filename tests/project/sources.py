"""Where the project's files are, and what its modules import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = {
    "otel_auto_assign": ROOT / "otel_auto_assign",
    "observability_events": ROOT / "exporters" / "observability_events",
}


def modules() -> dict[str, Path]:
    """Map the dotted name of every module of the two packages to its file."""
    found = {}
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [package, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


@cache
def tree(path: Path) -> ast.Module:
    """Parse a file, once."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(module: str) -> Iterator[str]:
    """Give the dotted names that ``module`` imports anywhere in it, below functions and type checks too.

    ``from package import name`` gives ``package.name`` where that is a module of ours, else ``package``.
    """
    known = modules()
    for node in ast.walk(tree(known[module])):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are written in full here"
            assert node.module is not None
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in known else node.module
