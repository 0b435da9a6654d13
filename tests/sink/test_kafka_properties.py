"""What librdkafka is told: the settings, and a file of more, of which no secret is said again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from observability_events.sink.kafka_properties import Properties
from observability_events.sink.setup import SetupError
from otel_auto_assign.settings import Settings
from tests.sink.test_ends import NOWHERE, leaves

COMMAND = [sys.executable, "-W", "error", "-m", "otel_auto_assign.cli", "sink", "kafka"]
FILE = """
# how the brokers know us
security.protocol = SASL_SSL
sasl.password=se=cret
ssl.key.password=other
session.timeout.ms=10000

message.max.bytes=5
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of properties."""
    made = tmp_path / "properties"
    made.write_text(FILE, encoding="utf-8")
    return made


def test_a_file_is_read(file: Path) -> None:
    """The consumer gets all of it; who else speaks to the brokers, what is about the connection."""
    properties = Properties(Settings(sink_kafka_properties=str(file)))
    of_all = {"security.protocol": "SASL_SSL", "sasl.password": "se=cret", "ssl.key.password": "other"}
    assert of_all.items() <= properties.connection().items()
    assert of_all.items() <= properties.producer().items()
    assert (of_all | {"session.timeout.ms": "10000", "message.max.bytes": "5"}).items() <= properties.consumer().items()
    assert "session.timeout.ms" not in properties.producer()
    assert "message.max.bytes" not in properties.connection()


def test_offsets_are_never_committed_behind_our_back() -> None:
    """What the rows rest on, and what the settings say."""
    settings = Settings(sink_kafka_servers="a:1,b:2", sink_kafka_group="g", sink_kafka_instance="i")
    wanted = {
        "bootstrap.servers": "a:1,b:2",
        "group.id": "g",
        "group.instance.id": "i",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "partition.assignment.strategy": "cooperative-sticky",
    }
    assert wanted.items() <= Properties(settings).consumer().items()
    assert "group.instance.id" not in Properties(Settings()).consumer()


def test_secrets_are_taken_out_of_what_is_said(file: Path) -> None:
    """Of a password, not of everything that stands in the file."""
    properties = Properties(Settings(sink_kafka_properties=str(file)))
    assert properties.hidden("SASL_SSL failed: se=cret, other") == "SASL_SSL failed: …, …"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sasl.password", "line 1: must be name=value"),
        ("\nenable.auto.commit=true",
         "line 2: enable.auto.commit cannot be set here, offsets are committed when the rows are"),
        ("group.id=x", "line 1: group.id cannot be set here, the setting sink_kafka_group says it"),
        ("debug=all\ndebug=cgrp", "line 2: debug is there twice"),
    ],
)  # fmt: skip
def test_a_file_that_is_of_no_use_is_said(file: Path, text: str, said: str) -> None:
    """By file and line, without what stands behind the name."""
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SetupError) as caught:
        Properties(Settings(sink_kafka_properties=str(file)))
    assert str(caught.value) == f"{file}, {said}"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "no database: give --dsn, or set OTEL_EXPORTER_OBSERVABILITY_EVENTS_DSN"),
        ([*NOWHERE, "--servers", "kafka"],
         "setting sink_kafka_servers='kafka': must be host and port such as 127.0.0.1:9092, with commas between them"),
        ([*NOWHERE, "--encoding", "jaeger"],
         "setting sink_kafka_encoding='jaeger': must be one of otlp_proto, otlp_json"),
        ([*NOWHERE, "--topic", "a/b"],
         "setting sink_kafka_topic='a/b': must be a topic of Kafka: up to 249 letters, digits, dots, _ and -"),
        ([*NOWHERE, "--properties", "/nowhere/file"],
         "the properties cannot be read from /nowhere/file: No such file or directory"),
    ],
)  # fmt: skip
def test_what_it_cannot_be_is_said(options: list[str], said: str) -> None:
    """In one sentence, as wrong usage."""
    assert leaves(*options, start=COMMAND) == (2, f"otel-auto-assign: {said}")


def test_a_property_that_nobody_knows_is_said(file: Path) -> None:
    """As librdkafka has it, and without the secrets beside it."""
    file.write_text("sasl.pasword=1\nsasl.password=se=cret", encoding="utf-8")
    code, said = leaves(*NOWHERE, "--properties", str(file), start=COMMAND)
    assert (code, said) == (
        2,
        'otel-auto-assign: Kafka\'s properties: No such configuration property: "sasl.pasword"',
    )


def test_a_missing_extra_is_named() -> None:
    """In one line that installs it."""
    program = (
        "import sys; sys.modules['confluent_kafka'] = None; sys.argv = ['x', 'sink', 'kafka', '--dsn', 'dbname=x']; "
        "from otel_auto_assign.cli import main; main()"
    )
    code, said = leaves(start=[sys.executable, "-c", program])
    assert code == 2
    assert said.endswith("pip install 'otel-auto-assign[sink]'")
    assert "confluent_kafka" in said
