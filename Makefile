# make demo      run the full pipeline on built-in data: train, export, verify, bench, report
# make test      linters, type checks, import rules and all quick tests (under 15 minutes on 2 cores)
# make test-all  the full matrix of backbones, formats and precisions (may take hours)
# make lint      linters, type checks and import rules only
#
# Each target creates .venv, installs what it needs at the versions in constraints.txt, and
# reinstalls only if setup.cfg, pyproject.toml or constraints.txt changed.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The first suitable interpreter. TensorFlow has no packages for Python 3.14 yet.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	if $$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; \
	then echo $$name; break; fi; done)

# Test files run in parallel; more than four processes, each with TensorFlow, cost more memory than they save time.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile

.PHONY: help demo test test-all lint clean

help:
	@sed -n 's/^# //p' Makefile | head -n 4

demo: $(INSTALLED)
	@$(BIN)/edge-cifar demo

test: lint
	@$(PYTEST) --quiet --durations 10 --timeout 1800

test-all: lint
	@$(PYTEST) -m "slow or not slow"

lint: $(INSTALLED)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "make lint: run .venv/bin/ruff format ."; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-cache > $(VENV)/lint-imports.log || { cat $(VENV)/lint-imports.log; exit 1; }
	@echo "ruff, mypy and import-linter: clean"

$(INSTALLED): setup.cfg pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "edge-cifar needs Python 3.11 to 3.13; specify one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON): about 3 GB, a few minutes"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all]'
	@touch $@

clean:
	@rm -rf $(VENV) build demo *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
