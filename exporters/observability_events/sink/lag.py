"""How far behind a member of the group is, asked of the brokers: a partition that is paused learns nothing by reading.

On a thread of its own, by requests that say nothing to the group; so it tells as well whether the brokers answer, and
what an operator has to make or to change.
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined] # its stubs do not export it

from observability_events.complaints import Complaint, Remarks
from otel_auto_assign import _guard
from otel_auto_assign._guard import SafeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from otel_auto_assign.settings import Settings

EVERY_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0  # for one question
GOOD_SECONDS: Final = 30.0  # an answer of the brokers is good for so long

_log = SafeLog(__name__)


class Lag:
    """Asks again and again, until its end.

    Args:
        properties: Of librdkafka's clients.
        settings: Which group, and which topics.
        dead_letters: The topic of these.
        assigned: Gives the partitions that are asked for.
        hidden: Takes secrets out of a text.

    Attributes:
        behind: Messages of each partition that are not committed, at the last answer.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        settings: Settings,
        dead_letters: str,
        *,
        assigned: Callable[[], Collection[int]],
        hidden: Callable[[str], str],
    ) -> None:
        self._properties = dict(properties)
        self._topic, self._group, self._letters = settings.sink_kafka_topic, settings.sink_kafka_group, dead_letters
        self._assigned = assigned
        self._hidden = hidden
        self._ended = threading.Event()
        self._answered_at = -math.inf
        self._complaint = Complaint(_log, "the brokers answer again when asked for the lag")
        self._missing = Complaint(_log, f"there is a topic {dead_letters} now")
        self._remarks = Remarks(_log)
        self.behind: dict[int, int] = {}
        self._thread = threading.Thread(target=self._work, name="otel-auto-assign-lag", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    @property
    def answered(self) -> bool:
        """Whether the brokers have answered lately."""
        return time.monotonic() - self._answered_at < GOOD_SECONDS

    def close(self) -> None:
        """Ask no more; a question that was asked is not waited for."""
        self._ended.set()

    def _work(self) -> None:
        client = AdminClient(self._properties)
        while not self._ended.wait(0 if self._answered_at == -math.inf else EVERY_SECONDS):
            try:
                self._look(client)
                self.behind = self._asked(client, sorted(self._assigned()))
                self._answered_at = time.monotonic()
                self._complaint.over()
            except KafkaException as error:
                self._complaint.trouble(f"the lag is not known: {self._hidden(error.args[0].str())}")
                self._ended.wait(EVERY_SECONDS)
            except Exception as error:
                _guard.swallowed("asking for the lag", error)
                self._ended.wait(EVERY_SECONDS)

    def _look(self, client: AdminClient) -> None:
        """Have the brokers answer, and say where the dead letters cannot go."""
        futures = client.describe_topics(TopicCollection([self._letters]), request_timeout=ANSWER_SECONDS)
        try:
            futures[self._letters].result(ANSWER_SECONDS)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
            self._missing.trouble(f"there is no topic {self._letters}: a message that cannot be read would wait for it")
        else:
            self._missing.over()

    def _asked(self, client: AdminClient, partitions: list[int]) -> dict[int, int]:
        if not partitions:
            return {}
        places = [TopicPartition(self._topic, each) for each in partitions]
        asked = client.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(self._group, places)], request_timeout=ANSWER_SECONDS
        )
        committed = {each.partition: each.offset for each in asked[self._group].result(ANSWER_SECONDS).topic_partitions}
        first = self._ends(client, partitions, OffsetSpec.earliest())  # type: ignore[no-untyped-call] # theirs
        last = self._ends(client, partitions, OffsetSpec.latest())  # type: ignore[no-untyped-call] # theirs
        for each in partitions:
            if 0 <= committed[each] < first[each]:
                self._remarks.warning(
                    f"{self._topic}, partition {each}: {first[each] - committed[each]} messages were deleted before "
                    "they were read: its retention is shorter than the outage was"
                )
        return {each: max(0, last[each] - max(first[each], committed[each])) for each in partitions}

    def _ends(self, client: AdminClient, partitions: list[int], spec: OffsetSpec) -> dict[int, int]:
        asked = client.list_offsets(
            {TopicPartition(self._topic, each): spec for each in partitions}, request_timeout=ANSWER_SECONDS
        )
        return {each.partition: int(future.result(ANSWER_SECONDS).offset) for each, future in asked.items()}
