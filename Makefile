# What a stranger runs in a fresh clone. Python is found as $(PYTHON); everything else is installed into .venv from the lock.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
ARGS ?=
export PYTHON
# Debian keeps mosquitto where only root's PATH looks.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin

# Hundreds of processes are started: none of them has to compile relay anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test nodes faults bench coverage check format package lock

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Watch texts flow both ways: no account, nothing asked (ARGS=--stay leaves it running)
	@scripts/ready demo
	@.venv/bin/relay demo $(ARGS)

test: ## Run every check and every test, on a real broker (LONG=1 for the long forms)
	@scripts/tools
	@$(MAKE) --no-print-directory check
	@.venv/bin/pytest -n 4 --dist worksteal $(ARGS)

nodes: ## Try every fault on three nodes over one PostgreSQL, and show it as a table (LONG=1 for the long form)
	@scripts/tools
	@scripts/ready dev
	@.venv/bin/pytest -q tests/nodes $(ARGS)

faults: ## Try every fault, and show what was lost and doubled as a table (LONG=1 for the long form)
	@scripts/tools
	@scripts/ready dev
	@.venv/bin/pytest -n 2 --dist worksteal -q tests/battery tests/simulation $(ARGS)

bench: ## Measure how fast relay is, beside a bare script (ARGS="OUT IN-HOOK --quick", and --help for more)
	@scripts/tools
	@scripts/ready dev
	@.venv/bin/python -m bench $(ARGS)

coverage: ## Run every test, and say which lines of relay's they did not run (slower)
	@scripts/tools
	@scripts/ready dev
	@.venv/bin/pytest -n 2 --dist worksteal --cov --cov-report=term $(ARGS)

check: ## Check style, types and the direction of imports
	@scripts/ready dev
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-logo

format: ## Format the code and mend what can be mended by itself
	@scripts/ready dev
	@.venv/bin/ruff check --fix-only --quiet
	@.venv/bin/ruff format

package: ## Make dist/: sdist, wheel, a package for Debian, and an SBOM (Debian's own python3 and dpkg)
	@scripts/ready package
	@packaging/build

lock: ## Make the lock files again (ARGS=--upgrade for newer versions)
	@scripts/lock $(ARGS)
