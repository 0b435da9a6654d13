"""``collector/compose.yaml``, without Docker: what can be held against the files it mounts and the real Collector."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from collector.build.servers import OTELCOL, RECIPES
from collector.gateway import CONFIGS, KAFKA
from otel_auto_assign.settings import Settings
from tests.exporters.support import count
from tests.servers.sending import send_jobs
from tests.servers.test_configs import VARIABLE
from tests.servers.topic import LETTERS
from tests.sink.program import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Connection

COLLECTOR: Final = CONFIGS.parent
COMPOSE: Final[dict[str, Any]] = yaml.safe_load((COLLECTOR / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: Final[dict[str, dict[str, Any]]] = COMPOSE["services"]
COLLECTORS: Final = [name for name, one in SERVICES.items() if "collector" in one.get("image", "")]
PROFILES: Final = ("otlp", "kafka")
_ADDRESS: Final = re.compile(r"^(?!0\.0\.0\.0)([\w.-]+):\d+$")


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Give what a service mounts, as source and target; a source that begins with a dot is a path."""
    for mount in service.get("volumes", ()):
        source, target, *_ = mount.split(":")
        yield source, target


def inside(service: dict[str, Any], path: str) -> Path:
    """Give the file or folder here that a service has at ``path``."""
    for source, target in mounts(service):
        if source.startswith(".") and Path(path).is_relative_to(target):
            return COLLECTOR / source / Path(path).relative_to(target)
    raise AssertionError(f"{path}: in nothing that is mounted")


def configs(service: dict[str, Any]) -> list[Path]:
    """Give the configurations of a Collector."""
    return [inside(service, word) for word in service["command"] if word.endswith(".yaml")]


def hosts(profile: str) -> set[str]:
    """Give the names by which the services of a profile are reached."""
    found = set()
    for name, service in SERVICES.items():
        if profile in service["profiles"]:
            found |= {name, *service.get("networks", {}).get("default", {}).get("aliases", ())}
    return found


def test_images_are_of_one_version() -> None:
    """None is the newest of the day; and the Collector and Kafka are those that the tests run."""
    images = {service["image"] for service in SERVICES.values() if "image" in service}
    built = [service["build"]["dockerfile_inline"] for service in SERVICES.values() if "build" in service]
    images |= {image for recipe in built for image in re.findall(r"^FROM (\S+)$", recipe, re.MULTILINE)}
    assert [image for image in images if not re.fullmatch(r"[\w/-]+:v?\d+\.\d+(\.\d+)?(-slim)?", image)] == []
    (ours,) = re.findall(r"^  version: (\S+)$", (RECIPES / "collector.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    (broker,) = re.findall(r"<version>(\d+\.\d+\.\d+)<", (RECIPES / "kafka.xml").read_text(encoding="utf-8"))
    assert {f"otel/opentelemetry-collector-contrib:{ours}", f"apache/kafka:{broker}"} <= images


def test_ports_are_on_loopback() -> None:
    """Nobody else reaches any of them, and no two services want the same."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert len(ports) == len(set(ports))


def test_what_is_mounted_is_there() -> None:
    """Every path, and every volume is declared; none is declared that nobody mounts."""
    sources = [source for service in SERVICES.values() for source, _ in mounts(service)]
    assert [source for source in sources if source.startswith(".") and not (COLLECTOR / source).exists()] == []
    assert {source for source in sources if not source.startswith(".")} == COMPOSE["volumes"].keys()


def test_what_the_servers_read_is_there() -> None:
    """Prometheus' configuration and Grafana's provisioning are where these are told to look."""
    prometheus, grafana = SERVICES["prometheus"], SERVICES["grafana"]
    (read,) = [word.partition("=")[2] for word in prometheus["command"] if word.startswith("--config.file=")]
    scraped = yaml.safe_load(inside(prometheus, read).read_text(encoding="utf-8"))["scrape_configs"]
    targets = [target for job in scraped for one in job["static_configs"] for target in one["targets"]]
    assert {target.partition(":")[0] for target in targets} == {"gateway"}
    provisioned = inside(grafana, grafana["environment"]["GF_PATHS_PROVISIONING"])
    files = provisioned.glob("*/*.yaml")
    found = {file.parent.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}
    assert found.keys() == {"datasources"}
    for source in found["datasources"]["datasources"]:
        assert re.split("[/:]+", source["url"].removeprefix("http://"))[0] in hosts("otlp") & hosts("kafka")


@pytest.mark.parametrize("name", COLLECTORS)
def test_a_collector_is_given_what_its_configurations_ask_for(tmp_path: Path, name: str) -> None:
    """Every variable without a default, and none that they do not know; and so the real Collector takes them."""
    service = SERVICES[name]
    files = configs(service)
    given: dict[str, str] = service["environment"]
    asked = [found for file in files for found in VARIABLE.findall(file.read_text(encoding="utf-8"))]
    assert {variable for variable, default in asked if not default} <= given.keys() <= {one for one, _ in asked}
    assert all(given[listening].startswith("0.0.0.0:") for listening in ("OTLP_GRPC", "OTLP_HTTP"))
    assert given["OTELCOL_STORAGE"] in [target for _, target in mounts(service)]

    command = [str(OTELCOL), "validate", *(word for file in files for word in ("--config", str(file)))]
    environ = os.environ | given | {"OTELCOL_STORAGE": str(tmp_path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_configuration_is_used() -> None:
    """Except the one for TLS and a token, which these containers have no certificate for."""
    used = {file.resolve() for name in COLLECTORS for file in configs(SERVICES[name])}
    assert {file.name for file in CONFIGS.glob("*.yaml") if file.resolve() not in used} == {"sink.yaml"}


@pytest.mark.parametrize("profile", PROFILES)
def test_whoever_is_spoken_to_is_there(profile: str) -> None:
    """Every address in an environment is of a service of the same profile; so is whatever is waited for."""
    there = hosts(profile)
    for name, service in SERVICES.items():
        assert set(service["profiles"]) <= set(PROFILES), name
        if profile not in service["profiles"]:
            continue
        said = [_ADDRESS.match(str(value)) for value in service.get("environment", {}).values()]
        assert {found[1] for found in said if found} <= there, name
        assert set(service.get("depends_on", ())) <= there, name


def test_the_topics_are_made() -> None:
    """Both of gateway-kafka.yaml, by the names that it has by default, and those that the sink takes by default."""
    asked = dict(VARIABLE.findall(KAFKA.read_text(encoding="utf-8")))
    (script,) = SERVICES["topics"]["command"]
    made = re.split(r"[\s;]+", script)
    for topic in ("KAFKA_ROWS", "KAFKA_TRACES"):
        assert asked[topic].removeprefix(":-") in made
    assert {Settings().sink_kafka_topic, Settings().sink_kafka_topic + LETTERS} <= set(made)


def test_the_sinks_are_given_settings() -> None:
    """Every variable is one, and no value is refused."""
    known = {variable for spec in dataclasses.fields(Settings) for variable in spec.metadata["env"]}
    for name in ("sink", "sink-kafka"):
        given: dict[str, str] = SERVICES[name]["environment"]
        assert given.keys() <= known
        assert Settings.from_environment(given).dsn
    assert Settings.from_environment(SERVICES["sink-kafka"]["environment"]).sink_kafka_servers == "kafka:9092"


def test_its_table_takes_rows(conn: Connection, dsn: str) -> None:
    """As a sink writes them: a job's five."""
    (source,) = [source for source, target in mounts(SERVICES["postgres"]) if target.endswith("/table.sql")]
    conn.execute((COLLECTOR / source).read_bytes())
    with Sink(dsn) as sink:
        send_jobs(f"127.0.0.1:{sink.ports['grpc']}")
        assert count(conn) == 5
