# Everything a developer runs. Needs Python 3.11 or newer with pip; all else is installed into .venv from the lock.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
UV ?= uv>=0.9
TESTS ?=
# A test file runs as a whole in one of so many processes, each with servers of its own.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install lock demo test check format bench bench-full bench-peers test-faults test-acceptance clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

install: $(STAMP) ## .venv with everything from the lock; nothing to do the second time

# uv does it in seconds; where it cannot be had, pip does the same in minutes.
$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip $(VENV)
	@echo "installing into $(VENV)"
	@if $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check '$(UV)' \
	    && $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock; then \
	    $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	    $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes --no-compile -r requirements.lock \
	    && $(PYTHON) -m pip --python $(BIN)/python install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@touch $(STAMP)

LOCK := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-annotate --no-header
lock: install ## all locks anew from pyproject.toml: of a developer, of the image, of the benchmarks
	$(LOCK) --extra dev -o requirements.lock pyproject.toml
	$(LOCK) -c requirements.lock -o requirements-runtime.lock pyproject.toml
	$(LOCK) -c requirements.lock --extra bench -o requirements-bench.lock pyproject.toml

demo: install ## the product with the demonstration trust, until Ctrl-C
	@exec $(BIN)/markledger demo

test: install ## all tests; real Kafka and a PostgreSQL server too, wherever they can be had
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(TESTS)

test-faults: install ## the fault tests at length: ten kills of each kind, with printed seeds
	MARKLEDGER_TEST_KILLS=10 $(BIN)/pytest -m faults $(TESTS)

test-acceptance: install ## the open data in ../shared, in all combinations
	MARKLEDGER_TEST_ACCEPTANCE=all $(BIN)/pytest -m acceptance $(TESTS)

check: install ## format, lint, types, import contracts, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: install ## write the format and the fixes of the linter
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install bench-peers ## every claim at a small scale beside its peers, in minutes: benchmarks/RESULTS-small.md
	$(BIN)/python -m benchmarks

bench-full: install bench-peers ## the same with 10 million judgements: benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks --full

# What is measured against, beside the normal install. Where one cannot be had, its rows say so.
MESSAGE_DB := @eventide/message-db@1.3.1
bench-peers: install
	-@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-bench.lock \
	    || $(PYTHON) -m pip --python $(BIN)/python install --quiet --require-hashes -r requirements-bench.lock
	-@mkdir -p .cache/message-db && cd .cache/message-db && { [ -d package ] \
	    || { npm pack --silent $(MESSAGE_DB) >/dev/null && tar xzf eventide-message-db-*.tgz; }; }

clean: ## caches; neither .venv nor data
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache build dist
