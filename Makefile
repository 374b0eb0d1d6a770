# `make` alone lists what there is. Only Python ≥ 3.11 and make are needed; Docker where a target says so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --quiet

# TESTS_TMP=FOLDER keeps what tests on real clocks write: logs, histories and reports. pytest empties the folder first.
CLOCKED := tests/integration tests/e2e tests/soak
TMP_OPTION := $(if $(TESTS_TMP),--basetemp=$(TESTS_TMP))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.local ## kill and pause a backend under load, on this machine, without Docker; results in results/
	@$(BIN)/lab run kill pause --runtime local

.PHONY: test
test: test-quick test-clocked ## all tests; the Docker ones where an engine answers (LAB_REQUIRE_DOCKER=1 makes their skip a failure)

.PHONY: test-quick
test-quick: $(VENV)/.dev ## of these: what depends on no clock (unit tests, documents, fuzzing), about a minute
	@$(BIN)/python -m pytest -n 2 tests/unit tests/meta tests/fuzz

.PHONY: test-clocked
test-clocked: test-parallel test-docker test-alone ## and: real processes and containers, on real clocks

# These tests mostly wait for something, so several files run at a time.
.PHONY: test-parallel
test-parallel: $(VENV)/.dev ## of these: processes of this machine that can run beside others
	@$(BIN)/python -m pytest $(TMP_OPTION) -n 4 --dist loadfile --durations 15 -m 'not alone and not docker' $(CLOCKED)

.PHONY: test-docker
test-docker: $(VENV)/.dev ## of these: containers that can run beside others
	@$(BIN)/python -m pytest $(TMP_OPTION) -n 3 --dist loadfile --durations 15 -m 'docker and not alone' $(CLOCKED)

.PHONY: test-alone
test-alone: $(VENV)/.dev ## of these: what measures the host, fills it, or counts slow answers, one at a time
	@$(BIN)/python -m pytest $(TMP_OPTION) --durations 15 -m alone $(CLOCKED)

.PHONY: test-long
test-long: $(VENV)/.dev soak test-kernel ## what takes too long for every push (an hour); docs/testing.md says when to run it
	@$(BIN)/python -m pytest --soak -m long tests/integration tests/e2e

.PHONY: soak
soak: $(VENV)/.dev ## of these, half an hour: fuzzing against other parsers, the keep-alive race, slow clients, 1 GiB
	@$(BIN)/python -m pytest --soak tests/fuzz tests/soak tests/integration/test_lb_memory.py

.PHONY: check
check: $(VENV)/.dev ## exactly what CI checks: style, types, import contracts, docs match code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/meta

.PHONY: test-kernel
test-kernel: ## netem on a stock Debian kernel under QEMU's emulation, about 2 minutes; installs QEMU with apt
	@PYTHON=$(PYTHON) scripts/test-kernel

.PHONY: base-image
base-image: ## a local base image, for hosts that reach no image registry (Docker, mmdebstrap)
	@scripts/base-image

.PHONY: install
install: $(VENV)/.local ## only the environment, so that `. .venv/bin/activate` puts `lab` on the path

.PHONY: peers
peers: $(VENV)/.local ## Envoy, Traefik and Caddy beside it, for `lab bench proxy` and the tests of their adapters
	@$(PIP) install --require-hashes -r requirements/peers.txt

.PHONY: fault-kinds
fault-kinds: $(VENV)/.dev ## write again what the lab, the balancer and the documents derive from chaos/faults
	@$(BIN)/python scripts/fault_kinds.py

.PHONY: compiled
compiled: $(VENV)/.dev ## the balancer's hot modules compiled by mypyc, in build/compiled (a C compiler, Python's headers)
	@$(BIN)/python scripts/compile_lb.py

.PHONY: cost
cost: $(VENV)/.dev ## what a request costs in the balancer's own code, without sockets; fails if it has grown by a quarter
	@$(BIN)/python -m lb.bench --check

.PHONY: lock
lock: $(VENV)/.dev ## write requirements/*.txt again; images and demo get the very versions that the tests had
	@$(PIP) install uv
	$(BIN)/$(LOCK) requirements/dev.in -o requirements/dev.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/lb.in -o requirements/lb.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/api.in -o requirements/api.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/chaos.in -o requirements/chaos.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/lb.in requirements/api.in requirements/chaos.in requirements/lab.in -o requirements/local.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/compile.in -o requirements/compile.txt
	$(BIN)/$(LOCK) requirements/peers.in -o requirements/peers.txt

.PHONY: dist
dist: $(VENV)/.dev ## the wheel and the source distribution, in dist/
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .

.PHONY: clean
clean: ## remove what was built here; results/ stay
	rm -rf $(VENV) build dist .lab *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Stamps: the second time, nothing is installed. The editable install itself needs no other package at run time.
$(VENV)/.local: requirements/local.txt pyproject.toml | $(VENV)/.python
	@echo "installing what a local lab needs (once)"
	@$(PIP) install --require-hashes -r requirements/local.txt
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	@echo "installing what the checks need (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo not there)" >&2; \
		echo "  next: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 255; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments" >&2; \
		echo "  next: apt-get install python3-venv (or your system's package for it)" >&2; exit 255; }
	@touch $@
