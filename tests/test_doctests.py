"""The examples in docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

import observability_events
import otel_auto_assign

PACKAGES = (otel_auto_assign, observability_events)
MODULES = sorted(
    module.name for package in PACKAGES for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


def examples(module: ModuleType) -> list[doctest.DocTest]:
    """Find the docstrings of ``module`` that have examples; the public names are at hand in them."""
    public = {name: getattr(package, name) for package in PACKAGES for name in package.__all__}
    return [test for test in doctest.DocTestFinder().find(module, extraglobs=public) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    """Each as it stands."""
    runner = doctest.DocTestRunner()
    for test in examples(importlib.import_module(name)):
        runner.run(test)
    assert runner.failures == 0


def test_there_are_examples() -> None:
    """The walk finds them."""
    found = [test.name for name in MODULES for test in examples(importlib.import_module(name))]
    assert len(found) > 5, found
