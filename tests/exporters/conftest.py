"""What several tests of the exporter use: pipelines that end with the test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from observability_events.pipeline import Pipeline
from observability_events.postgres import PostgresWriter
from tests.exporters.support import settings
from tests.exporters.table_writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def pipelines() -> Iterator[Callable[..., Pipeline]]:
    """Makes pipelines, and shuts them down after the test."""
    made: list[Pipeline] = []

    def make(dsn: str, *, writer: Any = PostgresWriter, **changes: Any) -> Pipeline:
        made.append(Pipeline(settings(dsn, **changes), writer=writer))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.shutdown(0)


@pytest.fixture
def writer(dsn: str) -> Iterator[Writer]:
    """A writer into the test's schema."""
    made = Writer(settings(dsn))
    yield made
    made.disconnect()
