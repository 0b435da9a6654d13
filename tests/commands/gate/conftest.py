"""What all tests of the gate are given."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.gate.support import PLAN


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a plan."""
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path
