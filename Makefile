# `make reproduce` and `make test` set everything up on a machine with Python 3.11-3.13 and make.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN := .venv/bin
READY := .venv/ready
WITH := --no-progress --no-build-isolation --python $(BIN)/python

.PHONY: help reproduce studies results verdicts bench test quick check ui lock clean

help:
	@echo "make reproduce   set up, run the studies and the sweep of rates, print what they found"
	@echo "make studies     run all studies but the benchmarks and write report.html"
	@echo "make results     run them, and write the verdicts and figures that are committed"
	@echo "make verdicts    run them twice, as on two machines, and compare the verdicts byte by byte"
	@echo "make bench       measure the speed of the trainers and of sweeps (6 minutes)"
	@echo "make ui          open the recorded runs in the MLflow UI"
	@echo "make test        set up and run the tests"
	@echo "make quick       the tests that answer within a minute"
	@echo "make check       lint and type checks"
	@echo "make lock        resolve the dependencies anew into requirements.lock"
	@echo "make clean       remove the virtual environment and the caches (recorded runs stay)"

reproduce: $(READY)
	@echo "Two studies, a sweep of 41 learning rates and a report: some 20 seconds, less if they are recorded already"
	$(BIN)/student-score -m experiment=article
	$(BIN)/student-score experiment=plateau
	$(BIN)/student-score -m experiment=rates
	$(BIN)/student-score-report
	@echo
	@echo "Compare the runs in the MLflow UI: make ui"
	@$(BIN)/student-score-ui --link-only

# `student-score-study` lists the commands of all studies, in the order of the report.
studies: $(READY)
	@$(BIN)/student-score-study | grep -v benchmark | while read -r command; do \
	  echo "$$command"; $(BIN)/$$command < /dev/null; echo; done
	$(BIN)/student-score-report

# Everything else writes to results/, which git does not see; publish a benchmark by its name.
results: studies
	$(BIN)/student-score-study --publish

verdicts: $(READY)
	.ci/verdicts

bench: $(READY)
	$(BIN)/student-score experiment=throughput
	$(BIN)/student-score experiment=recording

# Most tests share two processes; those that measure time come after them, alone.
test: $(READY)
	$(BIN)/pytest -m "not alone"
	$(BIN)/pytest -n 0 -m alone

quick: $(READY)
	$(BIN)/pytest -m "not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: $(READY)
	@exec $(BIN)/student-score-ui

# The lock names uv and setuptools with their hashes, so pip fetches exactly these two and uv the rest. Bytecode is
# compiled once here: where PYTHONDONTWRITEBYTECODE is set, importing mlflow would otherwise cost 4 s in every process.
# Of what uv says, the names of the packages are left out.
$(READY): requirements.lock pyproject.toml
	@python=$$(for candidate in $${PYTHON:-python3 python3.13 python3.12 python3.11}; do \
	  $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null \
	    && { echo $$candidate; break; }; done); \
	[ -n "$$python" ] || { echo "student-score needs Python 3.11, 3.12 or 3.13; none was found (set PYTHON=...)" >&2; exit 1; }; \
	[ ! -x $(BIN)/python ] || python=$(BIN)/python; \
	echo "Setting up .venv with $$($$python --version), in four steps: from nothing, half a minute to a minute"; \
	echo "1 of 4: a virtual environment"; \
	[ -x $(BIN)/python ] || $$python -m venv .venv; \
	awk '/^[^ #]/ {keep = /^(uv|setuptools)==/} keep' requirements.lock > .venv/bootstrap.lock; \
	echo "2 of 4: uv, which installs the rest"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r .venv/bootstrap.lock; \
	echo "3 of 4: the packages of requirements.lock, fetched where they are not at hand"; \
	$(BIN)/uv pip sync $(WITH) --require-hashes requirements.lock 2>&1 | { grep --line-buffered -v '^ [-+~] ' || true; }; \
	echo "4 of 4: their bytecode, so that commands start fast, 10 to 30 s without a word; then this package"; \
	$(BIN)/uv pip sync $(WITH) --quiet --require-hashes --compile-bytecode requirements.lock; \
	$(BIN)/uv pip install $(WITH) --quiet --no-deps --editable .; \
	touch $@; \
	echo "Ready after $$SECONDS s"

lock:
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --upgrade \
	  --all-extras --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml > /dev/null

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
