# Every target does its own set-up; a second run takes seconds when nothing changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A fleet is a dozen processes, and the tests start hundreds: without the cache each compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down test rules-conformance fuzz-rules chaos chaos-rollups chaos-rules chaos-scraper spans lint format bench peers lock clean

help:  ## Show the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "watchfleet needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

up: $(READY)  ## Run the whole fleet here (ARGS="--demo --port 8080" and so on); Ctrl-C stops it
	$(BIN)/watchfleet up $(ARGS)

down: $(READY)  ## Stop a fleet that runs detached
	$(BIN)/watchfleet down

test: $(READY)  ## Run the tests (ARGS="-k beat" and so on)
	$(BIN)/python -m pytest $(ARGS)

chaos: export CHAOS_SECONDS = $(or $(SECONDS),600)
chaos: export CHAOS_SEED = $(or $(SEED),0)
chaos: export CHAOS_ALERTS = $(or $(ALERTS),2000)
chaos: $(READY)  ## Kill everything that delivers notifications, then compare (SECONDS=600 SEED=1 ALERTS=2000)
	$(BIN)/python -m pytest tests/chaos/test_notifications.py -q -s --numprocesses=0

rules-conformance: $(READY)  ## Compare rule tests with promtool's verdict on all that others wrote, and on 200 changed copies
	RULES_CONFORMANCE=whole $(BIN)/python -m pytest tests/unit/rules/unittests/test_conformance.py -q --numprocesses=2

fuzz-rules: export FUZZ_SECONDS = $(or $(SECONDS),300)
fuzz-rules: $(READY)  ## Fuzz expressions, templates, rule files and rule tests, by their form and by coverage (SECONDS=300 each)
	$(BIN)/python -m pytest tests/unit/rules/test_fuzz.py tests/fuzz -q -s --numprocesses=0

chaos-scraper: export SCRAPER_TEST_ACCOUNTS = $(or $(ACCOUNTS),500)
chaos-scraper: $(READY)  ## Kill the example scraper's workers at random, then compare with its ledger (ACCOUNTS=500)
	$(BIN)/python -m pytest tests/packaging/test_scraper.py -q --numprocesses=0 --timeout=600 -k killed_at

chaos-rollups: export CHAOS_SECONDS = $(or $(SECONDS),60)
chaos-rollups: export CHAOS_SEED = $(or $(SEED),0)
chaos-rollups: $(READY)  ## Kill writers, rollup workers and PostgreSQL at random, then compare (SECONDS=60 SEED=1)
	$(BIN)/python -m pytest tests/chaos/test_rollups.py -q -s --numprocesses=0

chaos-fleet: export KILL_EVERY_PROCESS = 1
.PHONY: chaos-fleet
chaos-fleet: $(READY)  ## Kill every process of a fleet in turn; after each, a fault must be told on every channel
	$(BIN)/python -m pytest tests/acceptance/test_pipeline.py -q -s -k redis --numprocesses=0

spans: export EVERY_POOL = 1
spans: $(READY)  ## Stop workers of every pool right after their tasks, and count the spans that arrive
	$(BIN)/python -m pytest tests/integration/test_correlation.py -q --numprocesses=0

chaos-rules: export CHAOS_KILLS = $(or $(KILLS),8)
chaos-rules: export CHAOS_SEED = $(or $(SEED),0)
chaos-rules: $(READY)  ## Kill the rules' evaluator and PostgreSQL at random, then compare (KILLS=8 SEED=1)
	$(BIN)/python -m pytest tests/chaos/test_rules.py -q -s --numprocesses=0

lint: $(READY)  ## Format check, lint, types, import order
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: chaos-logs
chaos-logs: export LOG_LINES = $(or $(LINES),15000)
chaos-logs: $(READY)  ## Four writers of one log that is rotated, searched, packed and followed (LINES=15000 each)
	$(BIN)/python -m pytest tests/unit/logs/test_shared_file.py -q -k four_writers --numprocesses=0

breaker: export BREAKER_ROUNDS = $(or $(ROUNDS),20)
.PHONY: breaker
breaker: $(READY)  ## Two and eight processes at a half-open circuit breaker (ROUNDS=20)
	$(BIN)/python -m pytest tests/integration/test_breaker.py -q -k exactly --numprocesses=0

format: $(READY)  ## Format and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY)  ## Run every benchmark; each ends in one line of JSON
	@set -e; for file in benchmarks/[a-z]*.py; do $(BIN)/python -m benchmarks.$$(basename $$file .py); done

peers:  ## Install the servers that only some tests need (root, apt)
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	  libfaketime rabbitmq-server redis-server prometheus prometheus-alertmanager \
	  prometheus-blackbox-exporter prometheus-node-exporter haproxy ripgrep iproute2 postgresql

lock: $(READY)  ## Resolve requirements.lock anew (LOCK_ARGS=--upgrade for newer releases)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	  --no-emit-index-url --no-emit-find-links --no-header --all-extras $(LOCK_ARGS) \
	  pyproject.toml --output-file requirements.lock
	@! grep -nE '://' requirements.lock

clean:  ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
