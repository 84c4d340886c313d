# Everything a developer types. `make help` lists it.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
ARGS ?=
BENCHMARKS := $(filter-out __init__,$(basename $(notdir $(wildcard benchmarks/*.py))))

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format bench mutants docs pictures constraints clean

help:  ## List these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: $(STAMP)  ## Make .venv and install what Gengap and its tests need (again: does nothing)

$(STAMP): pyproject.toml constraints.txt .ci/system-packages .ci/find-python
	.ci/system-packages
	test -x $(BIN)/python || "$$(PYTHON='$(PYTHON)' .ci/find-python)" -m venv $(VENV)
	PYTHONWARNINGS=ignore $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## Run a small real competition on http://127.0.0.1:8000 until Ctrl-C
	$(BIN)/gengap demo $(ARGS)

test: $(STAMP)  ## Run the tests; for example ARGS="-k bundle"
	$(BIN)/pytest $(ARGS)

lint: $(STAMP)  ## Check style, format, types and who imports whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)  ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(STAMP)  ## Run every benchmark and print its table
	@set -e; for name in $(BENCHMARKS); do echo "== $$name"; $(BIN)/python -m benchmarks.$$name; done

mutants: $(STAMP)  ## Score the tests by mutation, at most an hour; for example ARGS="counting --sample 0"
	$(BIN)/python -m tests.mutants $(ARGS)

docs: $(STAMP)  ## Write the tables of the documentation that are made from the code
	$(BIN)/python -m tests.docs.tables

pictures: $(STAMP)  ## Photograph a real demo for the documentation (minutes)
	$(BIN)/python -m tests.docs.screenshots

constraints: $(STAMP)  ## Write constraints.txt anew from what .venv holds
	.ci/write-constraints

clean:  ## Remove caches and build products; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache test-artifacts
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +
