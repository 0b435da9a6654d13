"""What befalls whom, and when: decided by the seed alone, so that what was found once can be run again."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

Target = TypeVar("Target")


def chance_of(*names: object) -> random.Random:
    """Give the chance that is the same whenever it is asked for by the same names."""
    return random.Random("-".join(map(str, names)))  # noqa: S311 - to be the same again, not to be unguessable


def shuffled(faults: Sequence[Target], chance: random.Random) -> Iterator[Target]:
    """Give faults without end, each once before any comes again."""
    while True:
        yield from chance.sample(faults, len(faults))


class Lane(threading.Thread, Generic[Target]):
    """One fault after the other, with pauses between, until there is no time left.

    Args:
        target: What they befall.
        faults: Which there are.
        chance: Of order and pauses.
        pause: The mean of the pauses, in seconds.
        ending: Set when there is no time left.

    Attributes:
        done: How often each fault came.
        error: What went wrong, if something did.
    """

    def __init__(
        self,
        target: Target,
        faults: Sequence[Callable[[Target], None]],
        chance: random.Random,
        *,
        pause: float,
        ending: threading.Event,
    ) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._faults: Iterator[Any] = shuffled(faults, chance)
        self._chance = chance
        self._pause = pause
        self._ending = ending
        self.done: Counter[str] = Counter()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Let them come."""
        try:
            while not self._ending.wait(self._pause * self._chance.uniform(0.5, 1.5)):
                fault = next(self._faults)
                fault(self._target)
                self.done[fault.__name__] += 1
        except BaseException as error:
            self.error = error
            self._ending.set()
