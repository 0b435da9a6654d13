"""The database tests on Debian's PostgreSQL 15, the oldest that is supported: ``make test-debian``.

    python -m tests.debian [pytest's arguments]

PostgreSQL is installed where it is missing (by ``apt-get``, which needs root). The server is one of our own, as the
embedded one is: in a temporary folder, on a unix socket, ended with this process however that ends. A cluster that
Debian's package has made is neither started nor used.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import psycopg
import pytest

from examples.embedded_postgres import EmbeddedPostgres

VERSION: Final = 15
PACKAGE: Final = f"postgresql-{VERSION}"
PROGRAMS: Final = Path(f"/usr/lib/postgresql/{VERSION}/bin")
EXIT_FAILED: Final = 1
EXIT_UNUSABLE: Final = 2


class Passed:
    """A pytest plugin: how many database tests have passed."""

    def __init__(self) -> None:
        self.count = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has passed, if it used the server."""
        self.count += report.when == "call" and report.passed and "postgres" in report.keywords


def installed(programs: Path) -> bool:
    """Whether the server's programs are there."""
    return all((programs / name).is_file() for name in ("postgres", "initdb"))


def install(programs: Path) -> None:
    """Install PostgreSQL from the system's own packages; ``programs`` is where its programs then are.

    Raises:
        RuntimeError: It cannot be done here; says what to do instead.
    """
    by_hand = f"install the package {PACKAGE} of Debian 12, or run `make test` with AUTO_ASSIGN_TEST_DSN"
    if shutil.which("apt-get") is None:
        raise RuntimeError(f"{programs} is missing, and this system has no apt-get: {by_hand}")
    if os.geteuid() != 0:
        raise RuntimeError(f"{programs} is missing, and only root can install it: apt-get install {PACKAGE}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (("update",), ("install", "--yes", "--no-install-recommends", PACKAGE)):
        done = subprocess.run(["apt-get", "-qq", *command], env=environ, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"apt-get {' '.join(command)} failed (see above): {by_hand}")
    if not installed(programs):
        raise RuntimeError(f"{PACKAGE} was installed, but {programs} has no server: {by_hand}")


def run(arguments: list[str], programs: Path) -> int:
    """Run the database tests on a server of ``programs``; 0 only if some ran, and all of these passed."""
    passed = Passed()
    with EmbeddedPostgres(programs=programs) as server:
        with psycopg.connect(server.dsn) as conn:
            major = conn.info.server_version // 10_000
        if major != VERSION:
            sys.stderr.write(f"{programs} is PostgreSQL {major}, not {VERSION}\n")
            return EXIT_UNUSABLE
        os.environ["AUTO_ASSIGN_TEST_DSN"] = server.dsn
        code = pytest.main(["-m", "postgres", *arguments], plugins=[passed])
    sys.stdout.write(f"PostgreSQL {VERSION}: {passed.count} database tests passed\n")
    return int(code) or (0 if passed.count else EXIT_FAILED)


def main() -> int:
    """Install what is missing, and run."""
    try:
        if not installed(PROGRAMS):
            sys.stdout.write(f"installing {PACKAGE}, once\n")
            install(PROGRAMS)
        return run(sys.argv[1:], PROGRAMS)
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
