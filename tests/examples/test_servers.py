"""The demo with servers behind it, where they were not built."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.build.servers import KAFKA, Server
from examples.restaurant.options import UsageError, parse
from examples.restaurant.sandbox import Sandbox
from examples.restaurant.stop import Stop
from examples.servers import behind


def test_what_was_not_built_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With what to do about it, before anything is started."""
    never = Server("Kafka", "kafka.xml", (), tmp_path / KAFKA.name, lambda _: None)
    monkeypatch.setattr(behind, "ALL", (never,))
    with (
        pytest.raises(UsageError, match=r"^Kafka: not built; run `make servers`$"),
        behind.behind_servers(parse([]), Sandbox("", "schema", "server", None), Stop()),
    ):
        pass
