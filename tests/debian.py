"""The database tests on Debian's PostgreSQL 15, and what runs only there: ``make test-debian``.

    python -m tests.debian [pytest's arguments]

PostgreSQL, pgbouncer and what else they need are installed where they are missing (by ``apt-get``, which needs root).
The server is one of our own, as the embedded one is: in a temporary folder, on a unix socket, ended with this process
however that ends. A cluster or a pooler that Debian's package has made is neither started nor used.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Final

import psycopg
import pytest

from collector.build import debian
from examples.embedded_postgres import EmbeddedPostgres

VERSION: Final = 15
PACKAGES: Final = (f"postgresql-{VERSION}", "pgbouncer", "openssl", "strace", "chromium", "redis-server")
TOOLS: Final = PACKAGES[1:]
SYSTEM_PATH: Final = "/usr/sbin"  # where pgbouncer is; not on everybody's path
PROGRAMS: Final = Path(f"/usr/lib/postgresql/{VERSION}/bin")
CHOSEN: Final = "postgres or debian"
EXIT_FAILED: Final = 1
EXIT_UNUSABLE: Final = 2


class Passed:
    """A pytest plugin: how many tests have passed that use the database, and how many that run only here."""

    def __init__(self) -> None:
        self.count = 0
        self.only_here = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has passed, if it used the server or runs only here."""
        if report.when == "call" and report.passed:
            self.count += "postgres" in report.keywords
            self.only_here += "debian" in report.keywords

    def enough(self, *, whole: bool) -> bool:
        """Whether a run proves something; ``whole``: of all tests, not of a choice."""
        return self.count > 0 and self.only_here > 0 if whole else self.count + self.only_here > 0


def installed(programs: Path) -> bool:
    """Whether the server's programs and the tools are there."""
    tools = all(shutil.which(tool) or shutil.which(tool, path=SYSTEM_PATH) for tool in TOOLS)
    return tools and all((programs / name).is_file() for name in ("postgres", "initdb"))


def install(programs: Path) -> None:
    """Install PostgreSQL from the system's own packages; ``programs`` is where its programs then are.

    Raises:
        RuntimeError: It cannot be done here; says what to do instead.
    """
    packages = " ".join(PACKAGES)
    by_hand = f"install the packages {packages} of Debian 12, or run `make test` with AUTO_ASSIGN_TEST_DSN"
    missing = f"{programs}, {' or '.join(TOOLS)} is missing"
    debian.install(*PACKAGES, missing=missing, otherwise=by_hand)
    if not installed(programs):
        raise RuntimeError(f"{packages} were installed, but {missing}: {by_hand}")


def run(arguments: list[str], programs: Path) -> int:
    """Run the database tests and what runs only here on a server of ``programs``; 0 only if some ran, and all passed.

    Without ``arguments``, which may choose among them, some of either kind must have run.
    """
    passed = Passed()
    with EmbeddedPostgres(programs=programs) as server:
        with psycopg.connect(server.dsn) as conn:
            major = conn.info.server_version // 10_000
        if major != VERSION:
            sys.stderr.write(f"{programs} is PostgreSQL {major}, not {VERSION}\n")
            return EXIT_UNUSABLE
        os.environ["AUTO_ASSIGN_TEST_DSN"] = server.dsn
        os.environ["AUTO_ASSIGN_TEST_PROGRAMS"] = str(programs)
        code = pytest.main(["-m", CHOSEN, *arguments], plugins=[passed])
    sys.stdout.write(
        f"PostgreSQL {VERSION}: {passed.count} database tests passed, and {passed.only_here} tests that run only here\n"
    )
    return int(code) or (0 if passed.enough(whole=not arguments) else EXIT_FAILED)


def main() -> int:
    """Install what is missing, and run."""
    try:
        if not installed(PROGRAMS):
            sys.stdout.write(f"installing {' '.join(PACKAGES)}, once\n")
            install(PROGRAMS)
        return run(sys.argv[1:], PROGRAMS)
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_UNUSABLE


if __name__ == "__main__":
    sys.exit(main())
