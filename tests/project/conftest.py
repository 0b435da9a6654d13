"""What several tests of the project need: the wheel, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.project.environment import build_wheel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))
