"""Brokers that ask who is there: what stands in the file of properties lets a sink in, and is never said again."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from collector.running import free_address, kafka
from tests.exporters.support import count, until
from tests.postgres import Connection
from tests.servers.kafka_sink import KafkaSink
from tests.servers.test_sink_kafka_faults import properties, quotes
from tests.servers.topic import LETTERS, Topic

PASSWORD = "open-sesame-1"
WRONG = "open-sesame-2"
MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule required"
WITH_SASL = f"""
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config={MODULE} user_sink="{PASSWORD}";
"""


def login(password: str) -> dict[str, str]:
    """Give the properties of who logs in."""
    return {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "sink",
        "sasl.password": password,
    }


def lines(found: dict[str, str]) -> str:
    """As a file has them."""
    return "".join(f"{name}={value}\n" for name, value in found.items())


@pytest.mark.usefixtures("events_table")
def test_a_password_lets_in_and_is_never_said(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """The wrong one is refused, and waits; with the right one all works, with all that librdkafka tells of itself."""
    asks = free_address()
    with kafka(tmp_path, sasl=asks, more=WITH_SASL) as open_to_all:
        Topic(open_to_all, "spans").make()
        known = {"bootstrap.servers": asks, **login(PASSWORD)}
        client = AdminClient({**known})
        assert {"spans", "spans" + LETTERS} <= client.list_topics(timeout=20).topics.keys()
        guarded = Topic(asks, "spans")
        with KafkaSink(dsn, guarded, *properties(tmp_path, lines(login(WRONG)))) as sink:
            sink.says("[Aa]uthentication")
            assert sink.asked() == 503
        assert WRONG not in str(sink.lines)
        everything = login(PASSWORD) | {"debug": "all"}
        with KafkaSink(dsn, guarded, *properties(tmp_path, lines(everything))) as sink:
            producer = Producer(known)
            for body in (b"\xff", *quotes(4)):
                producer.produce("spans", body)
            assert producer.flush(20) == 0
            until(lambda: count(conn) == 4, seconds=30)
            until(lambda: sink.asked() == 200, seconds=30)
        assert len(sink.lines) > 100
        assert PASSWORD not in str(sink.lines)
        assert len(Topic(open_to_all, "spans").letters.read(1)) == 1
