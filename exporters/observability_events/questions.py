"""The questions we ask the catalogue: the files of ``sql/``, one statement each, which begin with what they answer."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def question(name: str) -> bytes:
    """Give the text of ``sql/<name>.sql``."""
    return files("observability_events").joinpath("sql", f"{name}.sql").read_bytes()
