"""What several tests of the project need: the wheel, once, and a server's programs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from examples import embedded_postgres
from tests.project.environment import build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture
def programs() -> Iterator[Path]:
    """The embedded PostgreSQL's programs, where the server's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="test-pg-", dir=embedded_postgres._temporary_root({"user": 0})))
    folder.chmod(0o711)
    yield embedded_postgres._copy_programs(embedded_postgres._bin_dir(), folder)
    shutil.rmtree(folder)
