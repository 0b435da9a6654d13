"""What may be away, end or be wrong around a sink behind Kafka, and what it does about it."""

from __future__ import annotations

import json
import random
import re
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Message, TopicPartition
from confluent_kafka.admin import AdminClient

from collector.running import free_address, kafka
from tests.exporters.support import count, locked, span, until
from tests.faults.proxy import Proxy
from tests.postgres import Connection
from tests.servers.kafka_sink import KafkaSink
from tests.servers.topic import Topic
from tests.sink.program import message
from tests.sink.test_ends import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("events_table")

IMPATIENT = "max.poll.interval.ms=6000\nsession.timeout.ms=6000\n"
"""For a group that takes the partitions of whoever does not poll for six seconds."""


def quotes(number: int) -> list[bytes]:
    """Messages with a row each."""
    return [message([span()]) for _ in range(number)]


def properties(folder: Path, text: str) -> tuple[str, str]:
    """Give the option for a file of librdkafka's properties."""
    file = folder / "librdkafka.properties"
    file.write_text(text, encoding="utf-8")
    return "--properties", str(file)


def finished(topic: Topic, messages: int) -> Callable[[], bool]:
    """Whether the group has committed so many."""
    return lambda: topic.committed(topic.name) == messages


def reason(letter: Message) -> bytes:
    """Why it is one."""
    (found,) = [value for name, value in list(letter.headers() or ()) if name == "reason"]
    assert isinstance(found, bytes)
    return found


def shares(sink: KafkaSink) -> list[list[int]]:
    """Give the partitions it has said it has, each time it was told of them."""
    said = (re.search(r"has partitions (\[[\d, ]*\])", line["body"]) for line in sink.lines)
    return [json.loads(found[1]) for found in said if found]


def test_partitions_are_shared_by_who_comes_and_go_on_when_one_leaves(conn: Connection, dsn: str, broker: str) -> None:
    """Two sinks have two each, with what came before, between and after; every row is there once."""
    topic = Topic(broker).make()
    topic.send(*quotes(40))
    with KafkaSink(dsn, topic) as first:
        first.says(r"it has partitions \[0, 1, 2, 3\]$")
        with KafkaSink(dsn, topic) as second:
            second.says(r"it has partitions \[\d, \d\]$")
            first.says(r"it has partitions \[\d, \d\], others have \[\d, \d\]")
            topic.send(*quotes(40))
            until(lambda: count(conn) == 80, seconds=20)
            second.stop()
        topic.send(*quotes(40))
        until(lambda: count(conn) == 120, seconds=20)
        until(finished(topic, 120))
        first.stop()
        done = [int(sink.says(r"ended: (\d+) messages")[1]) for sink in (first, second)]
    assert min(done) > 0
    assert sum(done) == 120


def test_a_partition_that_went_away_while_all_was_held_is_read_when_it_comes_back(
    conn: Connection, dsn: str, broker: str
) -> None:
    """Held, because the database is away; taken by another, who ends; read on, once the database is back."""
    topic = Topic(broker).make()
    with Proxy(dsn) as proxy, KafkaSink(proxy.dsn, topic) as first:
        first.says(r"it has partitions \[0, 1, 2, 3\]$")
        proxy.refuse()
        topic.send(*quotes(8))
        first.says("read again and again")
        with KafkaSink(proxy.dsn, topic) as second:
            first.says(r"others have \[\d, \d\]")
            second.says(r"it has partitions \[\d, \d\]$")
        first.says(r"it has partitions \[0, 1, 2, 3\]$")
        proxy.accept()
        until(lambda: count(conn) == 8, seconds=20)
        topic.send(*quotes(8))
        until(lambda: count(conn) == 16, seconds=20)
        until(finished(topic, 16))


def test_a_database_that_is_away_moves_no_partition(conn: Connection, dsn: str, broker: str, tmp_path: Path) -> None:
    """For much longer than the group bears with one that does not poll; nothing is committed, and then all of it."""
    topic = Topic(broker).make()
    with Proxy(dsn) as proxy, KafkaSink(proxy.dsn, topic, *properties(tmp_path, IMPATIENT)) as sink:
        until(lambda: sink.asked() == 200, seconds=20)
        proxy.refuse()
        topic.send(*quotes(20))
        sink.says("read again and again, and wait")
        time.sleep(14)
        assert sink.asked() == 503
        assert sink.asked("/healthz") == 200
        assert topic.committed(topic.name) == 0
        proxy.accept()
        until(lambda: count(conn) == 20, seconds=20)
        until(finished(topic, 20))
        until(lambda: sink.asked() == 200)
        sink.says("what was in hand is written")
        assert len(shares(sink)) == 1


def test_what_cannot_be_read_goes_to_its_topic(conn: Connection, dsn: str, broker: str) -> None:
    """With reason and place, between good ones; nothing waits for it."""
    topic = Topic(broker, partitions=1).make()
    good = quotes(2)
    topic.send(good[0])
    topic.send(b"\xff poison", headers=[("sent-by", b"somebody")])
    topic.send(None, good[1])
    with KafkaSink(dsn, topic) as sink:
        until(lambda: count(conn) == 2, seconds=20)
        until(finished(topic, 4))
        sink.stop()
        sink.says("ended: 4 messages finished, 2 rows committed, 0 of them were there before, 0 dead letters")
    poison, nothing = topic.letters.read(2)
    assert poison.value() == b"\xff poison"
    assert poison.headers() == [
        ("sent-by", b"somebody"),
        ("reason", b"the body is no ExportTraceServiceRequest"),
        ("topic", topic.name.encode()),
        ("partition", b"0"),
        ("offset", b"1"),
    ]
    assert nothing.value() is None
    assert reason(nothing) == b"the message has no value"


def test_without_a_topic_for_dead_letters_nothing_is_skipped(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """The sink says what to make, and goes on when it is there."""
    with kafka(tmp_path, more="auto.create.topics.enable=false") as broker:
        topic = Topic(broker, partitions=1).make(letters=False)
        topic.send(b"\xff", *quotes(1))
        with KafkaSink(dsn, topic) as sink:
            sink.says(f"there is no topic {topic.letters.name}: a message that cannot be read would wait")
            sink.says("the dead-letter topic does not take them", seconds=30)
            assert topic.committed(topic.name) == 0
            topic.letters.make(letters=False)
            until(finished(topic, 2), seconds=40)
        assert len(topic.letters.read(1)) == 1
    assert count(conn) == 1


def test_a_dead_letter_too_large_for_its_topic_is_there_without_its_value(dsn: str, broker: str) -> None:
    """It stays where it came from, which its headers say; and nothing waits for it."""
    topic = Topic(broker, partitions=1).make(config={"max.message.bytes": str(10**7)})
    topic.send(b"\xff" + random.Random(1).randbytes(3 * 10**6))  # noqa: S311 - of no secret
    with KafkaSink(dsn, topic):
        until(finished(topic, 1), seconds=20)
    (letter,) = topic.letters.read(1)
    assert letter.value() is None
    assert b"; too large for this topic, look where it came from" in reason(letter)


def test_a_second_process_with_the_name_of_the_first_takes_its_place(conn: Connection, dsn: str, broker: str) -> None:
    """The first says so in one sentence, and leaves with 21; the other goes on."""
    topic = Topic(broker).make()
    with KafkaSink(dsn, topic, "--instance", "sink-1") as first:
        topic.send(*quotes(4))
        until(lambda: count(conn) == 4, seconds=20)
        with KafkaSink(dsn, topic, "--instance", "sink-1") as second:
            assert first.ends() == 21, first.lines
            assert "another process has joined the group as sink-1" in first.lines[-1]["body"]
            topic.send(*quotes(4))
            until(lambda: count(conn) == 8, seconds=20)
            until(finished(topic, 8))
            second.stop()


def test_a_static_member_that_is_restarted_finds_its_partitions(conn: Connection, dsn: str, broker: str) -> None:
    """The other one is not given them in between."""
    topic = Topic(broker).make()
    with KafkaSink(dsn, topic, "--instance", "one") as one, KafkaSink(dsn, topic, "--instance", "two") as two:
        until(lambda: [len(said[-1]) for said in map(shares, (one, two)) if said] == [2, 2], seconds=20)
        (before, (*_, twos)) = shares(one), shares(two)
        two.stop()
        topic.send(*quotes(8))
        time.sleep(8)  # a member learns of another's end with its heartbeat, every three seconds
        with KafkaSink(dsn, topic, "--instance", "two") as again:
            until(lambda: shares(again)[-1:] == [twos], seconds=20)
            until(lambda: count(conn) == 8, seconds=20)
        # It may be told of its own once more: a rebalance ends with that also for those whom it gives nothing.
        assert all(said == before[-1] for said in shares(one)[len(before) :])


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_hand_is_finished_at_the_end(conn: Connection, dsn: str, broker: str, sign: signal.Signals) -> None:
    """Told to end while a batch waits for a lock: it is written, its offsets are committed, nothing more is read."""
    topic = Topic(broker, partitions=1).make()
    with KafkaSink(dsn, topic) as sink:
        with locked(dsn, "LOCK observability_events") as host:
            topic.send(*quotes(10))
            until(lambda: conn.execute(WAITING).fetchone() == (1,), seconds=20)
            sink.process.send_signal(sign)
            sink.says("told to end")
            topic.send(*quotes(10))
            host.rollback()
            assert sink.ends() == 0
        read = int(sink.says(r"ended: (\d+) messages")[1])
    assert 1 <= read <= 10
    assert (count(conn), topic.committed(topic.name)) == (read, read)


def test_what_cannot_be_finished_stays_in_kafka(conn: Connection, dsn: str, broker: str) -> None:
    """When the time is up it ends all the same, and commits nothing."""
    topic = Topic(broker, partitions=1).make()
    timeout = {"OTEL_EXPORTER_OBSERVABILITY_EVENTS_SHUTDOWN_TIMEOUT": "0.3"}
    with KafkaSink(dsn, topic, **timeout) as sink, locked(dsn, "LOCK observability_events"):
        topic.send(*quotes(10))
        until(lambda: conn.execute(WAITING).fetchone() == (1,), seconds=20)
        sink.process.send_signal(signal.SIGTERM)
        assert sink.ends() == 0
        sink.says("ended: 0 messages finished, 0 rows committed")
    assert topic.committed(topic.name) == 0


def test_killed_between_the_commit_of_rows_and_that_of_offsets(
    conn: Connection, dsn: str, broker: str, tmp_path: Path
) -> None:
    """The next one reads them again: no row is missing, and none is there twice."""
    patience = properties(tmp_path, IMPATIENT)
    topic = Topic(broker, partitions=1).make()
    with Proxy(dsn) as proxy, KafkaSink(proxy.dsn, topic, *patience) as sink:
        until(lambda: sink.asked() == 200, seconds=20)
        proxy.down.passing.clear()
        topic.send(*quotes(30))
        until(lambda: count(conn) > 0, seconds=20)
        sink.kill()
    assert topic.committed(topic.name) == 0
    there = count(conn)
    with KafkaSink(dsn, topic) as sink:
        until(finished(topic, 30), seconds=60)
        sink.stop()
        sink.says(f"ended: 30 messages finished, 30 rows committed, {there} of them were there before")


def test_a_broker_that_is_restarted(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """Away at the start, then for a while in between; nothing is lost, and nothing has to be done."""
    address = free_address()
    topic = Topic(address)
    with ExitStack() as ended:
        sink = ended.enter_context(KafkaSink(dsn, topic))
        sink.says("Kafka: .*[Cc]onnect")
        assert sink.asked() == 503
        with kafka(tmp_path, address):
            topic.make()
            topic.send(*quotes(20))
            until(lambda: count(conn) == 20, seconds=60)
        time.sleep(5)
        with kafka(tmp_path, address):
            topic.send(*quotes(20))
            until(lambda: count(conn) == 40, seconds=60)
            until(finished(topic, 40), seconds=20)
            until(lambda: sink.asked() == 200, seconds=60)
            sink.stop()


def test_without_brokers_it_ends_in_time(dsn: str) -> None:
    """Nobody hears that it leaves."""
    with KafkaSink(dsn, Topic(free_address())) as sink:
        sink.says("Kafka: .*[Cc]onnect")
        began = time.monotonic()
        sink.stop()
        assert time.monotonic() - began < 12


def test_a_topic_that_is_missing_is_waited_for(conn: Connection, dsn: str, tmp_path: Path) -> None:
    """The sink says so, and reads it from its beginning once it is there."""
    with kafka(tmp_path, more="auto.create.topics.enable=false") as broker:
        topic = Topic(broker)
        with KafkaSink(dsn, topic) as sink:
            sink.says(f"there is no topic {topic.name}: make it", seconds=40)
            topic.make()
            topic.send(*quotes(10))
            until(lambda: count(conn) == 10, seconds=60)


def test_messages_that_were_deleted_before_they_were_read_are_said(conn: Connection, dsn: str, broker: str) -> None:
    """How many, once; what is left is read."""
    topic = Topic(broker, partitions=1).make()
    topic.send(*quotes(2))
    with KafkaSink(dsn, topic):
        until(finished(topic, 2), seconds=20)
    topic.send(*quotes(10))
    client = AdminClient({"bootstrap.servers": broker})
    for deleted in client.delete_records([TopicPartition(topic.name, 0, 7)]).values():
        deleted.result(20)
    with Proxy(dsn) as proxy, KafkaSink(proxy.dsn, topic) as sink:
        proxy.refuse()
        sink.says(
            "partition 0: 5 messages were deleted before they were read: its retention is shorter than the outage"
        )
        proxy.accept()
        until(finished(topic, 12), seconds=30)
    assert count(conn) == 7
