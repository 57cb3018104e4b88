# Needs make, git and a Python of 3.11 or later with venv and pip. `make help` says what there is.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
SHELL := /bin/sh
.SHELLFLAGS := -ec

# What a developer's shell sets for other projects must not reach into this environment.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP PIP_USER PIP_TARGET PIP_PREFIX VIRTUAL_ENV

VENV := .venv
BIN := $(VENV)/bin
# Empty: the first that works, newest first. A pyenv shim may exist and still fail, so each is tried.
PYTHON ?=
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
SUITABLE := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# Wheels only, so that installing runs nobody's build script; every file is checked against its hash.
PIP = $(NO_CACHE) $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL = $(PIP) install --quiet --require-hashes --only-binary :all:
# Without a home that can be written to pip has nowhere to keep its cache and says so at length.
NO_CACHE = $$(test -w "$${HOME:-/nonexistent}" || echo env PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1)

# A stamp is touched only when everything before it has succeeded. The checkout's path is in its name because an
# environment does not survive being moved; where its interpreter is gone, it is made anew.
EMPTY :=
HERE := $(subst $(EMPTY) ,_,$(subst /,-,$(CURDIR)))
MADE := $(VENV)/stamp-made$(HERE)
RUNTIME := $(VENV)/stamp-runtime
DEVELOPMENT := $(VENV)/stamp-development
# The browser tests check the pages with axe-core. Without npm, or a registry that answers, they leave that out and say so.
AXE := tests/web/node_modules/.package-lock.json
# What the service is compared with has an environment of its own: it must not move what the service runs on.
BENCH_VENV := .venv-bench
BENCH := $(BENCH_VENV)/stamp$(HERE)
ifeq ($(realpath $(BIN)/python),)
.PHONY: $(MADE)
endif
ifeq ($(realpath $(BENCH_VENV)/bin/python),)
.PHONY: $(BENCH)
endif

# For a third of its time a worker waits for the processes that its tests have started.
WORKERS ?= $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))

# Tests see this and what is called KASPARRO_TEST_*, nothing else of the environment; their home is a throwaway.
TEST_HOME := $(CURDIR)/$(VENV)/test-home
KEPT := PATH TMPDIR TERM CI $(filter KASPARRO_TEST_%,$(.VARIABLES))
TEST_ENVIRONMENT = env -i HOME='$(TEST_HOME)' LANG=C.UTF-8 $(foreach name,$(KEPT),$(if $($(name)),$(name)='$($(name))'))

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'

.PHONY: run
run: $(RUNTIME) ## the service with its own database on http://127.0.0.1:8000
	@exec $(BIN)/kasparro serve

.PHONY: env
env: $(RUNTIME) ## the environment in .venv, from the locked requirements

.PHONY: test
test: lint pytest ## the whole check: lint, types, import contracts, tests

.PHONY: lint
lint: $(DEVELOPMENT) ## ruff, mypy, import contracts, migrations
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/squawk migrations/*.sql

.PHONY: pytest
pytest: $(DEVELOPMENT) $(AXE) ## the tests alone; ARGS='-k name' narrows them
	@mkdir -p '$(TEST_HOME)'
	@$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

.PHONY: torture
torture: $(DEVELOPMENT) ## the long failure tests
	@mkdir -p '$(TEST_HOME)'
	@$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -m torture $(ARGS)

# What leads pip to its packages goes along into the build.
.PHONY: image-check
image-check: KEPT += $(filter PIP_% %_proxy,$(.VARIABLES))
image-check: $(DEVELOPMENT) ## build the image and run it: as root, with buildah and debootstrap installed
	@mkdir -p '$(TEST_HOME)'
	@$(TEST_ENVIRONMENT) $(BIN)/python -m pytest -m image -v -s tests/image $(ARGS)

.PHONY: bench
bench: $(DEVELOPMENT) $(BENCH) ## the benchmarks; ARGS=help lists them
	@mkdir -p '$(TEST_HOME)'
	@$(TEST_ENVIRONMENT) PYTHONPATH=. $(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: bench-history
bench-history: $(DEVELOPMENT) ## history at 20 million quotes: minutes and 5 GB; ARGS='--quotes N' is smaller
	@mkdir -p '$(TEST_HOME)'
	@$(TEST_ENVIRONMENT) PYTHONPATH=. $(BIN)/python -m tests.benchmarks.history $(ARGS)

.PHONY: up
up: ## the service and PostgreSQL 18 in containers
	docker compose up --build --detach --wait

.PHONY: down
down: ## stop the containers; their data stays
	docker compose down

# --only-binary: a version without wheels is not chosen. uv is a tool of this target and of nothing else.
LOCK_FLAGS ?= --upgrade
COMPILE = $(NO_CACHE) .venv-lock/bin/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--only-binary :all: --no-header --no-emit-index-url --no-emit-find-links $(LOCK_FLAGS)

.PHONY: lock
lock: $(MADE) ## the lock files anew; LOCK_FLAGS= keeps the versions that still fit
	@test -x .venv-lock/bin/uv || { $(BIN)/python -m venv --clear .venv-lock && \
		$(NO_CACHE) .venv-lock/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/lock.txt; }
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) requirements/build.in -c requirements/runtime.txt -o requirements/build.txt
	$(COMPILE) pyproject.toml requirements/build.in --group dev -c requirements/runtime.txt -c requirements/build.txt -o requirements/dev.txt
	$(COMPILE) requirements/bench.in -c requirements/runtime.txt -o requirements/bench.txt
	$(COMPILE) requirements/lock.in -o requirements/lock.txt

.PHONY: licences
licences: $(DEVELOPMENT) ## docs/licences.md anew, from what is installed
	@PYTHONPATH=. $(BIN)/python -m tests.packaging.licences

$(MADE):
	@python=; for candidate in $(if $(PYTHON),'$(PYTHON)',$(CANDIDATES)); do \
		if "$$candidate" -c '$(SUITABLE)' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "No Python 3.11 or later with venv and pip among: $(or $(PYTHON),$(CANDIDATES))." >&2; \
		echo "On Debian or Ubuntu: apt-get install python3 python3-venv. Elsewhere name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "Making $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@touch '$@'

$(RUNTIME): $(MADE) pyproject.toml requirements/build.txt requirements/runtime.txt
	@echo "Installing the locked requirements"
	@$(INSTALL) -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch '$@'

$(DEVELOPMENT): $(RUNTIME) requirements/dev.txt
	@echo "Installing the locked development requirements"
	@$(INSTALL) -r requirements/dev.txt
	@touch '$@'

$(AXE): tests/web/package.json tests/web/package-lock.json
	@if command -v npm >/dev/null; then \
		npm --prefix $(@D:/node_modules=) ci --ignore-scripts --no-audit --no-fund --silent && touch '$@' || \
			echo "note: axe-core could not be installed; the pages are not checked with it"; \
	else echo "note: there is no npm; the pages are not checked with axe-core"; fi

$(BENCH): private BIN := $(BENCH_VENV)/bin
$(BENCH): $(MADE) requirements/bench.txt
	@echo "Installing what the benchmarks compare with into $(BENCH_VENV)"
	@$(VENV)/bin/python -m venv --clear $(BENCH_VENV)
	@$(INSTALL) -r requirements/bench.txt
	@touch '$@'
