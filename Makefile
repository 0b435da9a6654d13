# Each target does its own set-up in .venv: Python 3.11 or newer, make and a package registry are enough.
#
#   make demo ARGS='--seed 7'     make PYTHON=python3.13 test     make test ARGS='-k reasons -x'

PYTHON ?= python3
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs clean

help:
	@echo "make demo     a day in a restaurant, twice, on a real PostgreSQL    (ARGS='--help' for its options)"
	@echo "make test     the tests                                             (ARGS: pytest's)"
	@echo "make check    ruff, its formatter, mypy, import direction"
	@echo "make bench    what it costs, as ratios; compared with the table     (ARGS='--write' renews the table)"
	@echo "make docs     renew docs/settings.md from the settings"
	@echo "make clean    remove .venv and every cache"

demo: $(READY)
	@$(RUN) -m examples.restaurant $(ARGS)

test: $(READY)
	@$(RUN) -m pytest $(ARGS)

check: $(READY)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) -m pytest -q tests/project/test_imports.py

bench: $(READY)
	@$(RUN) -m benchmarks $(ARGS)

docs: $(READY)
	@$(RUN) -m otel_auto_assign.cli settings --markdown > docs/settings.md

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo

# Done again when the dependencies change. The mark is set last, so that what was interrupted is done again, too.
# An installed uv that cannot reach the registry (it does not read pip's configuration) leaves the work to pip.
$(READY): pyproject.toml Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is not Python 3.11 or newer. Name one that is: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) -m venv failed; on Debian and Ubuntu the package python3-venv has what is missing." >&2; exit 1; }
	@{ uv --version && uv pip install --quiet --python $(RUN) --editable '.[dev]'; } >/dev/null 2>&1 || \
		$(RUN) -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)
