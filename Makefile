# Needs only make and Python 3.11 or newer; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
# What `make soak` breaks, and the seed of its die.
STORES ?= sqlite postgresql redis
SEED ?= 1
WORKERS ?= 3
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DELETE_ON_ERROR:
.PHONY: help demo test soak check bench peers docs dist behaviours clean reference dependencies

help:
	@echo "make demo    run the main job on the embedded SQLite"
	@echo "make test    run all tests"
	@echo "make soak    break workers at full size and print what was seen (STORES, SEED)"
	@echo "make check   format, lint, types, imports, spelling"
	@echo "make bench   run the benchmarks"
	@echo "make peers   run jobkit beside other queues (PEERS='--stores redis', see --help)"
	@echo "make docs    check the documentation's links and build its site"
	@echo "make dist    build the wheel and the source archive, and try both in fresh environments"
	@echo "make behaviours  write the page of behaviours and the tests that prove them"
	@echo "make reference   write the page of public names, from their docstrings"
	@echo "make dependencies  write the page of dependencies, and what importing costs"
	@echo "make clean   remove what the other targets made"

demo: .venv/.stamp-run
	$(BIN)/jobkit demo

# A file to a process at a time, one more than the cores of a small machine: most of the time is
# spent waiting for something to happen.
test: .venv/.stamp-dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

soak: .venv/.stamp-dev
	set -e; for store in $(STORES); do \
		$(BIN)/python -m tests.chaos --store $$store --seed $(SEED) --workers command \
			--kills 160 --kill-supervisor 20 --kill-all 20 --zombies 60 --stops 10 --rolls 10; \
		$(BIN)/python -m tests.chaos --store $$store --seed $(SEED) --workers plain \
			--kills 200 --zombies 60 --stops 20; \
		test $$store = sqlite || $(BIN)/python -m tests.chaos --store $$store --seed $(SEED) \
			--kills 40 --zombies 20 --cut 400 --drop-reply 100 --black-hole 10 --delay 5 \
			--kill-store 10 --stop-store 10 --suspend-store 10; \
	done
	SOAK=1 $(BIN)/pytest -rA --durations=0 tests/chaos tests/faults tests/integration/supervisor \
		tests/integration/transactions/test_kills.py tests/integration/worker/test_batches.py \
		tests/integration/worker/test_limits.py tests/integration/worker/test_steps.py \
		tests/web
	$(BIN)/python -m tests.chaos.leaks 200000

check: .venv/.stamp-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

bench: .venv/.stamp-dev
	$(BIN)/python -m benchmarks

docs: .venv/.stamp-docs
	$(BIN)/python docs/check_links.py
	$(BIN)/sphinx-build -q -W --keep-going -b html docs build/site
	@echo "the site is build/site/index.html"

dist: .venv/.stamp-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/twine check --strict dist/*
	$(BIN)/python tests/distribution/check.py dist

behaviours: .venv/.stamp-dev
	$(BIN)/python -m tests.behaviours

reference: .venv/.stamp-dev
	$(BIN)/python docs/write_api.py

dependencies: .venv/.stamp-dev
	$(BIN)/python docs/write_dependencies.py

clean:
	rm -rf .venv .venv-peers build dist htmlcov .coverage .coverage.* .hypothesis .*_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Two installs share one environment: the library alone is enough for a demo, and quick.
.venv/.stamp-run: .venv/.stamp-made pyproject.toml
	$(PIP) install --editable .
	@touch $@

.venv/.stamp-dev: .venv/.stamp-made pyproject.toml
	$(PIP) install --editable '.[dev]'
	@touch .venv/.stamp-run $@

.venv/.stamp-docs: .venv/.stamp-made pyproject.toml
	$(PIP) install --editable '.[docs]'
	@touch .venv/.stamp-run $@

# The first Python that is new enough: $(PYTHON), or one named by its version.
.venv/.stamp-made:
	@for python in '$(PYTHON)' python3.14 python3.13 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
			echo "$$python -m venv .venv"; \
			$$python -m venv --clear .venv && touch $@; exit; \
		fi; \
	done; \
	echo "jobkit needs Python 3.11 or newer, and '$(PYTHON)' is not:" \
		"call make PYTHON=/path/to/python3.11" >&2; \
	exit 1

# Other queues never share an environment with the tests.
.venv-peers/.stamp: .venv/.stamp-made pyproject.toml benchmarks/requirements.txt
	$(BIN)/python -m venv --clear .venv-peers
	.venv-peers/bin/python -m pip --disable-pip-version-check --quiet install \
		--editable '.[dev]' --requirement benchmarks/requirements.txt
	@touch $@
