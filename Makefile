# Every target makes the environment it needs, in .venv, and uses it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
LOCK = $(BIN)/uv pip compile --quiet --universal --upgrade --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help install page web demo serve replicas test lowest fuzz lint format schema migration lock audit screenshots peers bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make the environment only

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "training-monitor needs Python 3.11 or newer; name one with make PYTHON=python3.12 ..." >&2; exit 2; }
	@echo "Setting up the environment in .venv: about a minute, the first time ..." >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@echo "Installing training-monitor and building its page ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Quick where the page is as new as its sources.
page: $(INSTALLED)
	@$(BIN)/python web/build.py

web: page ## Develop the page with hot reload, against the server of `make demo`
	cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run dev

demo: page ## Serve with simulated and logged jobs, at http://127.0.0.1:8000/
	@exec $(BIN)/training-monitor demo $(ARGS)

serve: page ## Serve, with the jobs in training-monitor.sqlite3
	@exec $(BIN)/training-monitor serve $(ARGS)

replicas: page ## Serve with two replicas, on a PostgreSQL and a Valkey from wheels
	@exec $(BIN)/python -m tests.tools.replicas $(ARGS)

# Where Python writes no bytecode by itself, each process of each run would compile all of this anew.
test: page ## Run all tests; a part of them with ARGS="tests/live -k order"
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses auto --dist worksteal $(ARGS)

lowest: page ## Install the lowest versions that pyproject.toml allows, and run the README's examples on them
	$(BIN)/python -m tests.tools.lowest

fuzz: page ## Let tools look for what breaks for many minutes
	FUZZ_TIMES=$${FUZZ_TIMES:-100} $(BIN)/python -m pytest tests/process/test_fuzz_schema.py tests/process/test_fuzz_sockets.py -s $(ARGS)

lint: page ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy web/build.py
	cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent lint

format: $(INSTALLED) ## Put the code into its style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm run --silent format

schema: $(INSTALLED) ## Write schema.graphql from the code
	$(BIN)/training-monitor schema > schema.graphql

migration: $(INSTALLED) ## Write the migration for what changed in the models
	$(BIN)/python -m models.new_migration

lock: $(INSTALLED) ## Take the newest versions that pyproject.toml allows into the locks
	$(LOCK) --group dev --extra tracing pyproject.toml --output-file requirements.lock
	$(LOCK) --extra tracing --constraint requirements.lock pyproject.toml --output-file requirements-server.lock
	$(LOCK) benchmarks/peers/requirements.in --output-file benchmarks/peers/requirements.lock

audit: $(INSTALLED) ## Ask for the known faults of what is locked
	$(BIN)/uv tool run 'pip-audit>=2.9,<3' --strict --require-hashes --requirement requirements.lock
	cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm audit --omit=dev

screenshots: page ## Take the README's pictures of the page
	$(BIN)/python -m tests.tools.screenshots

peers: $(INSTALLED) ## Install the servers that the benchmarks measure against
	cd benchmarks/peers && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --no-audit --no-fund
	$(PYTHON) -m venv --clear benchmarks/peers/.venv
	benchmarks/peers/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		--requirement benchmarks/peers/requirements.lock

bench: peers ## Measure, side by side, and write the tables into docs/
	$(BIN)/python -m benchmarks.requests --write
	$(BIN)/python -m benchmarks.points --write
	$(BIN)/python -m benchmarks.fanout --write
	$(BIN)/python -m benchmarks.replay --write
	$(BIN)/python -m benchmarks.idle --write
	$(BIN)/python -m benchmarks.latency --write
	$(BIN)/python -m benchmarks.scale --write
	$(BIN)/python -m benchmarks.growth --write
	$(BIN)/python -m benchmarks.curves --write
	$(BIN)/python -m benchmarks.attack --write
	$(BIN)/python -m benchmarks.page --write

clean: ## Remove the environment and what tools left behind
	rm -rf .venv graph/static web/node_modules tests/tools/node/node_modules benchmarks/peers/node_modules benchmarks/peers/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
