"""Processes that simulate. A module of their own: a new process does not import what is run as ``__main__``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from multiprocessing import get_context
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")


class Workers:
    """So many processes, and how much they are to do."""

    def __init__(self, processes: int, runs: int, seed: int) -> None:
        self._pool = get_context("spawn").Pool(processes)
        self.runs = runs
        self.seed = seed

    def all(self, tasks: Iterable[Callable[[], T]]) -> list[T]:
        """What each task returns, in their order."""
        return self._pool.map(_called, tasks, chunksize=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.terminate()
        self._pool.join()


def _called(task: Callable[[], T]) -> T:
    return task()
