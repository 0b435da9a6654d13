# Each target does its own set-up in .venv: Python 3.11 or newer, make and a package registry are enough.
#
#   make demo ARGS='--seed 7'     make PYTHON=python3.13 test     make test ARGS='-k reasons -x'

PYTHON ?= python3
ARGS ?=
MISSING ?= skip

VENV := .venv
CONSTRAINTS := constraints/newest.txt
RUN := $(VENV)/bin/python
# It has the interpreter's name in it, so that another PYTHON is not taken for done.
READY := $(VENV)/.ready-$(subst /,-,$(PYTHON))

# What test-versions runs: a Python, and a file of constraints/. Every bound that pyproject.toml names is in one of them.
VERSIONS := 3.11-oldest 3.12-wrapt1 3.13-newest
TEST_ON := $(VERSIONS:%=test-on-%)
# For one test. They pin OpenTelemetry to the day and come days after it: with their pins pip finds no way on some days.
WITHOUT_PINS := opentelemetry-instrumentation-dbapi opentelemetry-instrumentation-psycopg

# For examples/zero_code and the tests of it: the application's own, RQ, and what traces them beside us; RQ's knows no RQ 3.
QUEUES := --requirement examples/zero_code/requirements.txt rq<3
QUEUES_WITHOUT_PINS := $(addprefix opentelemetry-instrumentation-,asgi celery fastapi logging rq threading) opentelemetry-util-http asgiref
WITH_QUEUES := $(READY)-queues

# $(call install,"arguments" "arguments"): each by uv where it can, else by pip.
install = for wanted in $(1); do \
	{ uv --version && uv pip install --quiet --python $(RUN) --constraint $(CONSTRAINTS) $$wanted; } >/dev/null 2>&1 || \
		$(RUN) -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) $$wanted || exit 1; \
done

.DEFAULT_GOAL := help
.PHONY: help demo demo-servers zero-code test soak test-debian servers test-servers test-versions $(TEST_ON) check bench validate docs site clean

help:
	@echo "make demo     a day in a restaurant, twice, on a real PostgreSQL    (ARGS='--help' for its options)"
	@echo "make demo-servers     the same through a real Collector, Kafka and sink into the table, and into Jaeger; after make servers"
	@echo "make zero-code    a web server, a queue and its worker, traced without a change of their source; needs redis-server"
	@echo "make test     the tests                                             (ARGS: pytest's)"
	@echo "make test-debian      those that use the database, on PostgreSQL 15, with pgbouncer, Redis and TLS; installs them by apt-get"
	@echo "make servers  a real Collector, Jaeger, Kafka, Prometheus and Redis, once, into .servers; needs Go, a JDK 17 and Maven"
	@echo "make test-servers     what is proven with them"
	@echo "make test-versions    all of them on $(VERSIONS)   (a missing Python is skipped; MISSING=fail: fails)"
	@echo "make check    ruff, its formatter, mypy, import direction"
	@echo "make soak     ten minutes of load and faults: nothing lost, nothing twice   (ARGS='--seconds 60 --seed 7')"
	@echo "make bench    what it costs, as ratios; compared with the table     (ARGS='--write' renews the table)"
	@echo "make validate what the statistics promise, on simulated windows; half an hour   (ARGS='--runs 200': quicker)"
	@echo "make docs     renew the pages that are made from the code: settings and events"
	@echo "make site     the pages as a site in build/site, every link checked"
	@echo "make clean    remove .venv, .venvs and every cache"

demo: $(READY)
	@$(RUN) -m examples.restaurant $(ARGS)

demo-servers: $(READY)
	@$(RUN) -m examples.servers $(ARGS)

zero-code: $(WITH_QUEUES)
	@$(RUN) -m examples.zero_code

test: $(READY)
	@$(RUN) -m pytest $(ARGS)

test-debian: $(WITH_QUEUES)
	@$(RUN) -m tests.debian $(ARGS)

servers: $(READY)
	@$(RUN) -m collector.build

test-servers: $(READY)
	@$(RUN) -m pytest -m servers $(ARGS)

test-versions: $(TEST_ON)

# The Python is looked for by its name and under pyenv, whose python3.12 is there without working if it is not chosen.
$(TEST_ON): test-on-%:
	@version=$(firstword $(subst -, ,$*)); \
	for found in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python ''; do \
		"$$found" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$$version')" 2>/dev/null && break; \
	done; \
	if [ -z "$$found" ]; then \
		echo "$*: not run, for there is no Python $$version here" >&2; \
		[ $(MISSING) = skip ]; \
	else \
		echo "$*: $$found"; \
		$(MAKE) --no-print-directory test \
			VENV=.venvs/$* PYTHON="$$found" CONSTRAINTS=constraints/$(lastword $(subst -, ,$*)).txt \
			ARGS="$(or $(ARGS),--ignore=tests/faults --ignore=tests/soak --ignore=tests/validate)"; \
	fi

check: $(READY)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@$(RUN) -m pytest -q tests/project/test_imports.py

soak: $(READY)
	@$(RUN) -m tests.soak $(ARGS)

bench: $(READY)
	@$(RUN) -m benchmarks $(ARGS)

validate: $(READY)
	@$(RUN) -m tests.validate $(ARGS)

docs: $(READY)
	@$(RUN) -m otel_auto_assign.cli settings --markdown > docs/settings.md
	@$(RUN) docs/site/events.py > docs/events.md

site: $(READY)
	@$(RUN) docs/site/build.py $(ARGS)

clean:
	rm -rf .venv .venvs .servers build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo

# Done again when the dependencies change. The mark is set last, so that what was interrupted is done again, too.
# An installed uv that cannot reach the registry (it does not read pip's configuration) leaves the work to pip.
$(READY): pyproject.toml Makefile $(CONSTRAINTS)
	@old=3; $(PYTHON) -c "import sys; sys.exit($$old * (sys.version_info < (3, 11)))"; code=$$?; \
	case $$code in 0) ;; $$old) what="is not Python 3.11 or newer" ;; *) what="does not run here" ;; esac; \
	[ $$code -eq 0 ] || { \
		echo "$(PYTHON) $$what. Name a Python 3.11 or newer: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "$(PYTHON) -m venv failed; on Debian and Ubuntu the package python3-venv has what is missing." >&2; exit 1; }
	@$(call install,"--editable .[dev]" "--no-deps $(WITHOUT_PINS)")
	@touch $(READY)

$(WITH_QUEUES): $(READY) examples/zero_code/requirements.txt
	@echo "installing Celery, RQ, FastAPI and their instrumentations into $(VENV), once"
	@$(call install,"$(QUEUES)" "--no-deps $(QUEUES_WITHOUT_PINS)")
	@touch $(WITH_QUEUES)
