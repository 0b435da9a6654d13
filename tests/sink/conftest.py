"""A proxy before the database of a sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def proxy(dsn: str) -> Iterator[Proxy]:
    """One before the test's schema."""
    with Proxy(dsn) as made:
        yield made
