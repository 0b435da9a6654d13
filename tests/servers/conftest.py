"""Nothing here runs but by ``make test-servers``; there, a server that was not built fails, and says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.build.debian import DEBIAN
from collector.build.servers import ALL
from collector.running import kafka

HERE = Path(__file__).parent
MARKER = "servers"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is in this folder, and leave it out where it was not asked for."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(MARKER)
    if MARKER not in config.option.markexpr:
        items[:] = [item for item in items if item not in ours]
        config.hook.pytest_deselected(items=ours)


@pytest.fixture(autouse=True, scope="session")
def _built() -> None:
    """Fail where a server was not built."""
    missing = [server.name for server in (*ALL, *DEBIAN) if not server.current]
    assert not missing, f"{', '.join(missing)}: not built; run `make servers`"


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka that nobody stops; each test has topics and groups of its own."""
    with kafka(tmp_path_factory.mktemp("kafka")) as address:
        yield address
