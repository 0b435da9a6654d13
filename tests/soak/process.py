"""A worker as the soak sees it: it is started, told what to do, killed, started again; and what it tells is kept."""

from __future__ import annotations

import dataclasses
import json
import queue
import resource
import signal
import subprocess
import sys
import threading
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.worker import Order

ROOT = Path(__file__).parents[2]
ANSWER_SECONDS = 90.0
END_SECONDS = 30.0
LINES_KEPT = 5000


@dataclass
class Told:
    """What all workers told until now.

    Attributes:
        good: Ids of the rows that were accepted, and by whom when.
        poison: Likewise, of those that the table refuses.
        refused: Ids of the rows that were not accepted.
        worst_seconds: The longest that a call took.
        calls: How long calls took: step → how many.
        accounts: Of the processes that came to an end by themselves.
        said: The last lines of their logs.
    """

    good: dict[str, str] = field(default_factory=dict)
    poison: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    worst_seconds: float = 0.0
    calls: Counter[int] = field(default_factory=Counter)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))


class Worker:
    """A process under load, and its successors.

    Args:
        order: What they do.
        told: Where all that they tell is put.
    """

    def __init__(self, order: Order, told: Told) -> None:
        self._order = order
        self._told = told
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers: list[threading.Thread] = []
        self._lock = threading.RLock()  # asked in one lane, killed in another
        self._process = self._start()

    def ask(self, word: str) -> str:
        """Tell the worker to do something; give its answer.

        Raises:
            queue.Empty: if there is none.
        """
        with self._lock:
            assert self._process.stdin is not None
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
            return self._answers.get(timeout=ANSWER_SECONDS)

    def purify(self, *, pure: bool) -> None:
        """Have this worker, and those that take its place, run no jobs that the table refuses, or go on with them."""
        with self._lock:
            self._order = dataclasses.replace(self._order, poison=not pure)
            self.ask("pure" if pure else "poison")

    def refuse_disk(self, *, refuse: bool) -> None:
        """Have the kernel refuse each write to a file of the worker's, or not; its pipes are none."""
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (0 if refuse else hard, hard))

    def restart(self, how: signal.Signals) -> None:
        """End the worker by a signal, and start another one in its place."""
        with self._lock:
            self._process.send_signal(how)
            self._process.wait(END_SECONDS)
            self._close()
            self._order = dataclasses.replace(self._order, seed=self._order.seed + 1)
            self._process = self._start()

    def stop(self) -> None:
        """Let it end by itself.

        Raises:
            subprocess.CalledProcessError: if it did not end well.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        if code := self._process.wait(END_SECONDS):
            raise subprocess.CalledProcessError(code, "worker", stderr="\n".join(self._told.said))
        self._close()
        for reader in self._readers:  # those of a killed one's child, too
            reader.join(END_SECONDS)

    def kill(self) -> None:
        """End it at once, for good."""
        self._process.kill()
        self._process.wait(END_SECONDS)
        self._close()

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.soak.worker", json.dumps(dataclasses.asdict(self._order))]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for stream, read in ((process.stdout, self._hear), (process.stderr, self._log)):
            assert stream is not None
            reader = threading.Thread(target=_each, args=(stream, read), daemon=True)
            reader.start()
            self._readers.append(reader)
        assert self._answers.get(timeout=END_SECONDS) == "ready"
        return process

    def _close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def _hear(self, line: str) -> None:
        kind, _, rest = line.partition(" ")
        if kind in {"good", "poison", "refused"}:
            who, *ids = rest.split()
            getattr(self._told, kind).update(dict.fromkeys(ids, who))
        elif kind == "worst":
            self._told.worst_seconds = max(self._told.worst_seconds, float(rest))
        elif kind == "calls":
            self._told.calls.update({int(step): count for step, count in json.loads(rest).items()})
        elif kind == "accounts":
            self._told.accounts.append(json.loads(rest))
        else:
            self._answers.put(rest or kind)

    def _log(self, line: str) -> None:
        self._told.said.append(line)


class Fleet:
    """All workers; none of them writes rows that the table refuses while somebody wants them pure."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers
        self._lock = threading.Lock()
        self._wanted = 0

    @contextmanager
    def pure(self, last: Worker) -> Iterator[None]:
        """Have no such rows anywhere while the block runs, not even on disk; ``last`` is the last one to be looked at.

        One that is killed before it was looked at leaves its rows to those that are looked at later.
        """
        with self._lock:
            self._wanted += 1
            for worker in self.workers:
                worker.purify(pure=True)
        for worker in [*(other for other in self.workers if other is not last), last]:
            assert worker.ask("settle") == "True"
        yield
        with self._lock:
            self._wanted -= 1
            for worker in self.workers:
                worker.purify(pure=self._wanted > 0)


def _each(stream: IO[str], read: Any) -> None:
    with stream:
        for line in stream:
            if line.endswith("\n"):  # else its process died within it
                read(line.rstrip("\n"))
