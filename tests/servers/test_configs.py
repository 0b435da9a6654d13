"""Each configuration as the real Collector reads it, and what must hold for all of them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from collector.build.servers import OTELCOL
from collector.gateway import CONFIGS, GATEWAY, KAFKA, SINK
from collector.running import collector, free_address
from tests.exporters.support import until

AGENT: Final = CONFIGS / "agent.yaml"
WAYS: Final = {"agent": (AGENT,), "gateway": (GATEWAY,), "kafka": (GATEWAY, KAFKA), "sink": (GATEWAY, SINK)}
"""How the files are given: alone, or one after another."""
PAGE: Final = CONFIGS.parents[1] / "docs" / "collector.md"
VARIABLE: Final = re.compile(r"\$\{env:(\w+)(:-[^}]*)?\}")
MESSAGE: Final = {"kafka": 1_000_000, "otlp_grpc/jaeger": 4 * 2**20, "otlp_grpc": 64 * 2**20}
"""What the other side takes at the most, in bytes."""


def environ(folder: Path) -> dict[str, str]:
    """Give every variable that a configuration asks for and has no default of."""
    token = folder / "token"
    token.write_text("secret", encoding="utf-8")
    names = ("HEALTH", "OTLP_GRPC", "OTLP_HTTP", "PROMETHEUS", "GATEWAY", "KAFKA", "SINK", "JAEGER")
    return {name: free_address() for name in names} | {
        "OTELCOL_METRICS": "none",
        "OTELCOL_STORAGE": str(folder),
        "SINK_TOKEN_FILE": str(token),
        "SINK_CA": "",  # those that the machine trusts
    }


def merged(files: tuple[Path, ...]) -> dict[str, Any]:
    """Read the files as the Collector puts them together: mappings into each other, everything else replaced."""

    def into(first: Any, second: Any) -> Any:
        if isinstance(first, dict) and isinstance(second, dict):
            return first | {key: into(first.get(key), value) for key, value in second.items()}
        return second

    whole: dict[str, Any] = {}
    for file in files:
        whole = into(whole, yaml.safe_load(file.read_text(encoding="utf-8")))
    return whole


def exporters() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every exporter that is used, by way and name."""
    for way, files in WAYS.items():
        whole = merged(files)
        used = {name for pipeline in whole["service"]["pipelines"].values() for name in pipeline["exporters"]}
        for name in sorted(used & whole["exporters"].keys()):
            yield f"{way}: {name}", whole["exporters"][name]


def test_every_file_is_looked_at() -> None:
    """None stands beside the ways below."""
    assert set(CONFIGS.glob("*.yaml")) == {file for files in WAYS.values() for file in files}


@pytest.mark.parametrize("way", WAYS)
def test_the_collector_takes_it(tmp_path: Path, way: str) -> None:
    """As its own command says, without starting."""
    given = [word for file in WAYS[way] for word in ("--config", str(file))]
    command = [str(OTELCOL), "validate", *given]
    done = subprocess.run(command, env=os.environ | environ(tmp_path), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("way", WAYS)
def test_nothing_in_it_is_on_its_way_out(tmp_path: Path, way: str) -> None:
    """It starts, and its log speaks of nothing deprecated."""
    given = environ(tmp_path)
    log = tmp_path / "otelcol.log"
    with collector(WAYS[way][0], tmp_path, given, takes=given["OTLP_GRPC"], then=WAYS[way][1:]):
        until(lambda: "Everything is ready" in log.read_text(encoding="utf-8"))
    assert [line for line in log.read_text(encoding="utf-8").splitlines() if "deprecat" in line.lower()] == []


@pytest.mark.parametrize(("name", "exporter"), [pytest.param(*one, id=one[0]) for one in exporters()])
def test_what_waits_waits_on_disk_and_for_ever(name: str, exporter: dict[str, Any]) -> None:
    """Every exporter but the page that Prometheus reads has a queue on disk, and never gives up."""
    if name.endswith("prometheus"):
        return
    queue = exporter["sending_queue"]
    assert (queue["storage"], queue["sizer"], exporter["retry_on_failure"]["max_elapsed_time"]) == (
        "file_storage", "bytes", 0,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "exporter"), [pytest.param(*one, id=one[0]) for one in exporters()])
def test_batches_fit_into_a_message(name: str, exporter: dict[str, Any]) -> None:
    """They are measured in bytes, and remain below what the other side takes."""
    if name.endswith("prometheus"):
        return
    batch = exporter["sending_queue"]["batch"]
    limit = next(size for prefix, size in MESSAGE.items() if name.partition(": ")[2].startswith(prefix))
    assert batch["sizer"] == "bytes"
    assert batch["min_size"] < batch["max_size"] < limit


@pytest.mark.parametrize("way", WAYS)
def test_whatever_comes_from_outside_passes_the_memory_limiter_first(way: str) -> None:
    """In every pipeline that begins with a receiver; and no batch is held outside of a queue."""
    whole = merged(WAYS[way])
    pipelines = whole["service"]["pipelines"].values()
    outside = [one["processors"] for one in pipelines if whole["receivers"].keys() & set(one["receivers"])]
    assert outside
    assert all(processors[0] == "memory_limiter" for processors in outside)
    assert not [name for name in whole["processors"] if name.startswith("batch")]


def test_every_variable_is_in_the_docs() -> None:
    """With its defaults, each in every file that has it; and no other is."""
    asked: dict[str, set[str]] = {}
    for file in CONFIGS.glob("*.yaml"):
        for name, default in VARIABLE.findall(file.read_text(encoding="utf-8")):
            asked.setdefault(name, set()).add(default.removeprefix(":-"))
    told: dict[str, set[str]] = {}
    for names, defaults in re.findall(
        r"^\| (`[A-Z_`, ]+`) \| (.*?) ?\|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    ):
        listed, values = names.split(", "), [value.strip("` ") for value in re.split("[,;]", defaults)]
        for number, name in enumerate(listed):
            told[name.strip("`")] = {values[number]} if len(listed) > 1 else set(values)
    assert told == asked
