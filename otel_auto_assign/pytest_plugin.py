"""The pytest plugin: loaded by every pytest of an environment that has us, so it imports nothing until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from otel_auto_assign.testing import Recording


@pytest.fixture
def auto_assign(request: pytest.FixtureRequest) -> Iterator[Recording]:
    """Spans, metrics and rows of what the test calls, with ids and times that are the same in every run."""
    try:
        from otel_auto_assign.testing import Recording  # noqa: PLC0415 - see the module
    except ModuleNotFoundError as missing:
        pytest.fail(f"auto_assign needs {missing.name}: pip install 'otel-auto-assign[postgres]'", pytrace=False)
    with Recording(seed=request.node.nodeid) as recording:
        yield recording
