# One entry point, the same at a desk and in CI. `make demo` and `make test` need Python 3.11 or later and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH_SETTINGS = ONLY="$(ONLY)" SECONDS="$(SECONDS)" REPEATS="$(REPEATS)" FREEZE="$(FREEZE)" SESSIONS="$(SESSIONS)" \
	HELD="$(HELD)" ASSESS="$(ASSESS)" VERIFY="$(VERIFY)" REMARK="$(REMARK)" COMMITTED="$(COMMITTED)" RESULTS="$(RESULTS)"

.PHONY: help demo test check bench profile bench-tools fuzz truth format clean

help:
	@echo "make demo    put two releases of a booking service on trial (a few minutes)"
	@echo "make test    run every test"
	@echo "make check   format, lint, types, layers"
	@echo "make bench   speed, size and truthfulness beside other generators (ONLY=wrk,ours SECONDS=5 REPEATS=3)"
	@echo "make profile the engine's hot path under load, by layer and by function"
	@echo "make fuzz    random bytes for whatever reads what a service sends (SECONDS=60 TARGET=reader)"
	@echo "make truth   how often verdicts are wrong, on simulated services (ONLY=mm1-p95 TRIALS=500)"
	@echo "make format  put the code in form"

$(VENV)/.base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Seatrial needs Python 3.11 or later, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@ $(VENV)/.base

demo: $(VENV)/.base
	$(BIN)/seatrial demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff format --check src tests examples benchmarks
	$(BIN)/ruff check src tests examples benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.base
	$(BENCH_SETTINGS) PARTS="$(PARTS)" $(BIN)/python -m benchmarks

$(VENV)/.profile: $(VENV)/.base
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[profile]'
	@touch $@

profile: $(VENV)/.profile
	$(BENCH_SETTINGS) PARTS=profile $(BIN)/python -m benchmarks

bench-tools: $(VENV)/.base
	$(BIN)/python -m benchmarks.install

$(VENV)/.fuzz: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@touch $@

fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz $(or $(SECONDS),60) $(TARGET)

truth: $(VENV)/.dev
	nice -n 15 $(BIN)/python -m tests.truth $(or $(TRIALS),500) $(ONLY)

format: $(VENV)/.dev
	$(BIN)/ruff format src tests examples benchmarks
	$(BIN)/ruff check --fix src tests examples benchmarks

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis seatrial-demo seatrial-runs
