"""The questions we ask the catalogue: the files of ``sql/``, one statement each, which begin with what they answer."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

# Read with the code, not when first asked: by then a server may have given up the rights by which it was started.
_TEXTS: Final = {file.name: file.read_bytes() for file in files("observability_events").joinpath("sql").iterdir()}


def question(name: str) -> bytes:
    """Give the text of ``sql/<name>.sql``."""
    return _TEXTS[f"{name}.sql"]
