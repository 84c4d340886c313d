# Everything a developer types. `make help` lists it.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.setup-done
PROCESSES ?= 3
ARGS ?=
# Whole files go to one process, so that what a module shares is made once.
# One thread for each process's arithmetic: three processes on two processors would wait for each other's threads.
TESTS = OMP_NUM_THREADS=1 $(BIN)/pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
BENCHMARKS := $(filter-out __init__ load,$(basename $(notdir $(wildcard benchmarks/*.py)))) $(notdir $(patsubst %/__main__.py,%,$(wildcard benchmarks/*/__main__.py)))

# Compiled modules are kept: every server and worker of a test or the demo would compile all of them again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint format bench chaos load mutants docs pictures constraints clean

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

setup: $(STAMP)  ## Make .venv and install what Gengap and its tests need (again: does nothing)

$(RUNS): pyproject.toml constraints.txt .ci/system-packages .ci/find-python .ci/install
	.ci/system-packages run
	PYTHON='$(PYTHON)' .ci/install .
	touch $@

$(STAMP): $(RUNS)
	.ci/system-packages
	.ci/install '.[dev]'
	touch $@

demo: $(RUNS)  ## Run a small real competition on http://127.0.0.1:8000 until Ctrl-C
	$(BIN)/gengap demo $(ARGS)

test: $(STAMP)  ## Run a fair selection of the tests, a part of them with ARGS="-k bundle"
	$(TESTS) -m 'not thorough' $(ARGS)

test-all: $(STAMP)  ## Run every test, with more examples of each property (docker: see CONTRIBUTING.md)
	$(TESTS) --hypothesis-profile=thorough $(ARGS)

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

chaos: $(STAMP)  ## Inject faults into a real installation, for example ARGS="--submissions 2000 --faults 500"
	$(BIN)/python -m tests.chaos $(ARGS)

load: $(STAMP)  ## 200 participants for a minute: what each kind of page takes, beside flask run
	$(BIN)/python -m benchmarks.load $(ARGS)

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
