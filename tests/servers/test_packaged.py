"""The servers that Debian packages."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

from collector.build.debian import PROMTOOL, REDIS
from collector.running import HOST, free_address, listens, process

SCRAPING = Path(__file__).parents[2] / "collector" / "compose" / "prometheus.yaml"


def test_promtool_accepts_what_prometheus_is_given() -> None:
    """The configuration that ``compose.yaml`` mounts; a wrong word in it is refused."""
    said = {}
    for name, text in (("ours", SCRAPING.read_text(encoding="utf-8")), ("wrong", "scrape_config: []")):
        checked = subprocess.run(
            [PROMTOOL, "check", "config", "/dev/stdin"], input=text, capture_output=True, text=True, check=False
        )
        said[name] = checked.returncode
    assert said == {"ours": 0, "wrong": 1}


def test_redis_answers(tmp_path: Path) -> None:
    """On loopback, with nothing on disk."""
    address = free_address()
    port = address.rsplit(":", 1)[1]
    command = [str(REDIS), "--bind", HOST, "--port", port, "--save", "", "--dir", str(tmp_path)]
    with (
        process(command, tmp_path / "redis.log", ready=lambda: listens(address)),
        socket.create_connection((HOST, int(port)), timeout=5) as asking,
    ):
        asking.sendall(b"PING\r\n")
        assert asking.recv(64) == b"+PONG\r\n"
