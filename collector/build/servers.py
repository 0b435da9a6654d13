"""The real servers: what each is built from, with what, and where it is then.

Nothing is downloaded as a prebuilt archive: Go and Maven fetch sources and jars by name and check them by their sums.
What has been built is built again only when its recipe changes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

RECIPES: Final = Path(__file__).parent
SERVERS: Final = RECIPES.parents[1] / ".servers"
"""Where all of it is; ignored by git."""
OTELCOL: Final = SERVERS / "otelcol" / "otelcol"
JAEGER: Final = SERVERS / "jaeger" / "jaeger"
KAFKA: Final = SERVERS / "kafka" / "jars"

_BUILDER: Final = "go.opentelemetry.io/collector/cmd/builder"
_OTELCOL: Final = "go.opentelemetry.io/collector/otelcol"
_GOMOD: Final = re.compile(r"^\s+- gomod: (\S+ v\S+)$", re.MULTILINE)
_VERSION: Final = re.compile(r"^  version: (\S+)$", re.MULTILINE)
_STAMP: Final = "built-from"


@dataclass(frozen=True)
class Tool:
    """A program that a server is built with.

    Attributes:
        version: What to run to be told its version.
        least: The first version that will do, as numbers.
        remedy: What to do where it is missing or older.
    """

    version: tuple[str, ...]
    least: tuple[int, ...]
    remedy: str

    def lacking(self) -> str | None:
        """Say in one sentence what is wrong with it here; None where nothing is."""
        name = self.version[0]
        if shutil.which(name) is None:
            return f"{name} is missing: {self.remedy}"
        said = subprocess.run(self.version, capture_output=True, text=True, check=False)
        found = re.search(r"(\d+(?:\.\d+)+|\b\d+\b)", said.stdout + said.stderr)
        numbers = tuple(int(number) for number in found[1].split(".")) if found else ()
        if numbers < self.least:
            wanted = ".".join(map(str, self.least))
            return f"{name} is {found[1] if found else 'of no known version'}, not {wanted} or later: {self.remedy}"
        return None


GO: Final = Tool(("go", "version"), (1, 25), "install Go 1.25 or later (https://go.dev/doc/install)")
JAVA: Final = Tool(("java", "-version"), (17,), "install a JDK 17 (Debian: openjdk-17-jdk-headless)")
MAVEN: Final = Tool(("mvn", "--version"), (3, 6), "install Maven 3.6 or later (Debian: maven)")


@dataclass(frozen=True)
class Server:
    """One of them.

    Attributes:
        name: As people say it.
        recipe: The file that says which versions; built again when it changes.
        tools: What it needs to be built, and to run.
        there: What exists once it is built.
        build: Builds it into an empty folder.
    """

    name: str
    recipe: str
    tools: tuple[Tool, ...]
    there: Path
    build: Callable[[Path], None]

    @property
    def current(self) -> bool:
        """Whether it was built, from the recipe as it is now."""
        stamp = self.there.parent / _STAMP
        return self.there.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == self._sum()

    def make(self) -> None:
        """Build it, from nothing.

        Raises:
            RuntimeError: if a tool is missing or a step fails; says which.
        """
        for tool in self.tools:
            if (lacking := tool.lacking()) is not None:
                raise RuntimeError(f"{self.name}: {lacking}")
        folder = self.there.parent
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.build(folder)
        if not self.there.exists():
            raise RuntimeError(f"{self.name}: it was built, but {self.there.name} is not there")
        (folder / _STAMP).write_text(self._sum(), encoding="ascii")

    def _sum(self) -> str:
        return hashlib.sha256((RECIPES / self.recipe).read_bytes() + Path(__file__).read_bytes()).hexdigest()


def build_collector(folder: Path) -> None:
    """Let the builder write the sources, then build them.

    It cannot do the second half: its ``go mod tidy`` asks for the tests' modules as well, of which some are not served.
    """
    manifest = RECIPES / "collector.yaml"
    text = manifest.read_text(encoding="utf-8")
    version = f"v{_only(_VERSION, text)}"
    _run("go", "install", f"{_BUILDER}@{version}", cwd=folder, environ={"GOBIN": str(folder)})
    copied = folder / manifest.name
    copied.write_text(text.replace("dist:\n", f"dist:\n  output_path: {folder}\n"), encoding="utf-8")
    _run(
        str(folder / "builder"), "--config", str(copied), "--skip-get-modules", "--skip-compilation", cwd=folder
    )  # fmt: skip
    modules = [*_GOMOD.findall(text), f"{_OTELCOL} {version}"]
    required = "".join(f"\t{module}\n" for module in modules)
    (folder / "go.mod").write_text(f"module otelcol\n\ngo 1.25.0\n\nrequire (\n{required})\n", encoding="utf-8")
    _run("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", OTELCOL.name, ".", cwd=folder)


def build_jaeger(folder: Path) -> None:
    """Build Jaeger's one program; its web page is a placeholder, for its assets are no part of the module."""
    shutil.copy(RECIPES / "jaeger.mod", folder / "go.mod")
    program = "github.com/jaegertracing/jaeger/cmd/jaeger"
    _run("go", "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", JAEGER.name, program, cwd=folder)


def copy_kafka(folder: Path) -> None:
    """Have Maven bring Kafka's jars."""
    shutil.copy(RECIPES / "kafka.xml", folder / "pom.xml")
    _run("mvn", "-q", "--batch-mode", "dependency:copy-dependencies", f"-DoutputDirectory={KAFKA}", cwd=folder)


ALL: Final = (
    Server("OpenTelemetry Collector", "collector.yaml", (GO,), OTELCOL, build_collector),
    Server("Jaeger", "jaeger.mod", (GO,), JAEGER, build_jaeger),
    Server("Kafka", "kafka.xml", (JAVA, MAVEN), KAFKA, copy_kafka),
)


def _only(pattern: re.Pattern[str], text: str) -> str:
    (found,) = pattern.findall(text)
    return str(found)


def _run(*command: str, cwd: Path, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr).strip()}")
