"""The servers that Debian packages: Prometheus, with promtool, and Redis.

Where one is on the path already, whatever system this is, that one is taken. Nothing of it is started here, and what a
package would start by itself is not installed but taken out of the package: Prometheus would listen to everybody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

from collector.build.servers import SERVERS, Server

PROMETHEUS: Final = SERVERS / "prometheus" / "prometheus"
PROMTOOL: Final = PROMETHEUS.with_name("promtool")
REDIS: Final = SERVERS / "redis" / "redis-server"

_RECIPE: Final = Path(__file__).name
_MOST_SAID: Final = 2000
"""Characters of what ``apt-get`` said that are worth showing."""


def install(*packages: str, missing: str, otherwise: str) -> None:
    """Install packages of Debian.

    Args:
        packages: By their names.
        missing: What is not there without them.
        otherwise: What to do where it cannot be done.

    Raises:
        RuntimeError: It cannot be done here; says what to do instead.
    """
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"{missing}, and this system has no apt-get: {otherwise}")
    if os.geteuid() != 0:
        raise RuntimeError(f"{missing}, and only root can install it: apt-get install {' '.join(packages)}")
    for command in (("update",), ("install", "--yes", "--no-install-recommends", *packages)):
        _apt_get(*command, otherwise=otherwise)


def take_prometheus(folder: Path) -> None:
    """Link what is on the path, else take both programs out of the package; that needs no root."""
    programs = (PROMETHEUS.name, PROMTOOL.name)
    if all(shutil.which(program) for program in programs):
        for program in programs:
            _link(program, folder)
        return
    otherwise = "install Prometheus with promtool (Debian: prometheus)"
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise RuntimeError(f"Prometheus: promtool is missing, and this system has no {tool}: {otherwise}")
    if os.geteuid() == 0:
        _apt_get("update", otherwise=otherwise)
    _apt_get("download", "prometheus", otherwise=otherwise, cwd=folder)
    (package,) = folder.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "--extract", str(package), str(folder / "package")], check=True)
    for program in programs:
        shutil.move(folder / "package" / "usr" / "bin" / program, folder / program)
    shutil.rmtree(folder / "package")
    package.unlink()


def take_redis(folder: Path) -> None:
    """Link what is on the path, after installing it where it is not."""
    if shutil.which(REDIS.name) is None:
        otherwise = "install Redis (Debian: redis-server)"
        install(REDIS.name, missing=f"Redis: {REDIS.name} is missing", otherwise=otherwise)
    _link(REDIS.name, folder)


DEBIAN: Final = (
    Server("Prometheus", _RECIPE, (), PROMTOOL, take_prometheus),
    Server("Redis", _RECIPE, (), REDIS, take_redis),
)


def _link(program: str, folder: Path) -> None:
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(f"{program} was installed, but is not on the path")
    (folder / program).symlink_to(found)


def _apt_get(*arguments: str, otherwise: str, cwd: Path | None = None) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "-qq", *arguments], cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-_MOST_SAID:]
        raise RuntimeError(f"apt-get {' '.join(arguments)} failed: {otherwise}\n{said}".rstrip())
