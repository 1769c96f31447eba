# Every target installs what it needs: python3 and make are enough. `make` lists the targets.
# `make -k check` runs every check, even after one has failed.

PYTHON ?= python3
VENV := .venv
BUILD := build
UV := 0.13.9

# Python keeps compiled code, whatever the caller's environment says, and outside the source folders.
# The tests start hundreds of processes. Without compiled code they take twice as long.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(BUILD)/compiled

RUN := $(VENV)/bin/python -m
PIP := -m pip --disable-pip-version-check --quiet
PARALLEL := -n auto --dist worksteal
GENERATED := client/pourparler/v1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo serve test coverage kills bench fuzz docs pictures check stubs format lock clean \
  check-format check-lint check-types check-layers check-contract check-stubs check-client generate-client

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(VENV)/installed ## create the virtual environment in .venv, with the locked versions

demo: setup ## start a service, import a negotiation, and show its state and history
	@echo "== demo: record a negotiation and query it"
	@$(VENV)/bin/pourparler demo

serve: setup ## run the service on this machine, with the embedded store
	@echo "== serve: the service runs until Ctrl-C"
	@$(VENV)/bin/pourparler serve

test: setup ## run the tests; TEST="tests/unit" selects some, and takes other options of pytest
	@echo "== test: pytest"
	@$(RUN) pytest $(PARALLEL) $(TEST)

coverage: setup ## run the tests and list the lines that no test reaches; takes twice as long
	@echo "== coverage: pytest, with coverage"
	@$(RUN) pytest $(PARALLEL) --cov --cov-report=term

kills: setup ## kill the service 100 times while it records, and verify every receipt each time
	@echo "== kills: 100 kills under load, every receipt verified after each"
	@KILLS=100 $(RUN) pytest -s tests/faults/test_kill.py -k survives

bench: setup $(BUILD)/rival/installed ## run the benchmarks, beside plain gRPC and other stores; BENCH="--help" lists options
	@echo "== bench: tables here, full results in $(BUILD)/bench"
	@$(RUN) tests.bench --tools $(BUILD)/rival/bin/python $(BENCH)

fuzz: $(BUILD)/fuzz/installed ## run coverage-guided fuzzing for ten minutes; FUZZ="--minutes 60" runs longer
	@echo "== fuzz: failing inputs go to $(BUILD)/fuzz/found"
	@PYTHONPATH=client:service:. $(BUILD)/fuzz/environment/bin/python -m tests.fuzz $(FUZZ)

docs: $(BUILD)/docs/installed ## build the documentation site in build/docs/site, without a network
	@echo "== docs: a site in $(BUILD)/docs/site"
	@PYTHONPATH=client:service:. $(BUILD)/docs/environment/bin/python -m docs.site $(BUILD)/docs

pictures: setup ## make the pictures of the documentation, with chromium; PICTURES=wings for those of the imports
	@echo "== pictures: docs/pictures"
	@PYTHONPATH=client:service:. $(RUN) docs.pictures $(PICTURES)

check: check-format check-lint check-types check-layers check-contract check-stubs check-client ## check format, lint, types, layers, contract, stubs and client

check-format: setup
	@echo "== check: format"
	@$(RUN) ruff format --check

check-lint: setup
	@echo "== check: lint"
	@$(RUN) ruff check

check-types: setup
	@echo "== check: types"
	@$(RUN) mypy

check-layers: setup
	@echo "== check: layers"
	@$(VENV)/bin/lint-imports --no-logo --cache-dir $(BUILD)/import-linter

check-contract: setup
	@echo "== check: contract"
	@$(VENV)/bin/buf lint
	@.ci/breaking $(VENV)/bin/buf

check-stubs: $(BUILD)/generator/installed
	@echo "== check: stubs"
	@$(call generate,$(BUILD)/stubs)
	@diff -r -x __init__.py -x __pycache__ $(BUILD)/stubs/pourparler/v1 $(GENERATED) \
	  || { echo "The stubs differ from proto/: run make stubs." >&2; exit 1; }

check-client: setup
	@echo "== check: the generated client"
	@$(VENV)/bin/python client/generate_client.py --check

generate-client: setup ## generate client.py from aio.py, the asyncio client
	@$(VENV)/bin/python client/generate_client.py

stubs: $(BUILD)/generator/installed ## generate the Python stubs from proto/
	@echo "== stubs: proto/ to $(GENERATED)"
	@$(call generate,$(BUILD)/stubs)
	@rm -f $(GENERATED)/*_pb2*.py $(GENERATED)/*_pb2*.pyi
	@mkdir -p $(GENERATED) && cp $(BUILD)/stubs/pourparler/v1/* $(GENERATED)/

format: setup ## format the code, and apply the safe fixes of the linter
	@echo "== format: ruff"
	@$(RUN) ruff check --fix-only --quiet
	@$(RUN) ruff format

lock: ## resolve the newest allowed versions into locks/
	@echo "== lock: pyproject.toml to locks/"
	@$(call environment,$(BUILD)/lock)
	@$(BUILD)/lock/bin/python $(PIP) install uv==$(UV)
	@$(call resolve,--all-extras --group develop pyproject.toml,locks/develop.txt)
	@$(call resolve,--group stubs,locks/stubs.txt)
	@$(call resolve,--group bench,locks/bench.txt)
	@$(call resolve,--extra service --group fuzz pyproject.toml,locks/fuzz.txt)
	@$(call resolve,--extra service --extra cli --group docs pyproject.toml,locks/docs.txt)

clean: ## remove everything that make created
	rm -rf $(VENV) $(BUILD)

# Stamps: make updates an environment when its lock changes.

$(VENV)/locked: locks/develop.txt
	@echo "== setup: $(VENV), with the versions of $<"
	@$(call environment,$(VENV))
	@$(VENV)/bin/python $(PIP) install --require-hashes --no-deps --requirement $<
	@touch $@

$(VENV)/installed: $(VENV)/locked pyproject.toml
	@$(VENV)/bin/python $(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

$(BUILD)/generator/installed: locks/stubs.txt
	@echo "== setup: the stub generator, with the versions of $<"
	@$(call environment,$(BUILD)/generator)
	@$(BUILD)/generator/bin/python $(PIP) install --require-hashes --no-deps --requirement $<
	@touch $@

$(BUILD)/rival/installed: locks/bench.txt
	@echo "== setup: the stores that the benchmarks compare, with the versions of $<"
	@$(call environment,$(BUILD)/rival)
	@$(BUILD)/rival/bin/python $(PIP) install --require-hashes --no-deps --requirement $<
	@touch $@

$(BUILD)/fuzz/installed: locks/fuzz.txt
	@echo "== setup: the fuzzing environment, with the versions of $<"
	@mkdir -p $(BUILD)/fuzz && $(call environment,$(BUILD)/fuzz/environment)
	@$(BUILD)/fuzz/environment/bin/python $(PIP) install --require-hashes --no-deps --requirement $<
	@touch $@

$(BUILD)/docs/installed: locks/docs.txt
	@echo "== setup: the documentation environment, with the versions of $<"
	@mkdir -p $(BUILD)/docs && $(call environment,$(BUILD)/docs/environment)
	@$(BUILD)/docs/environment/bin/python $(PIP) install --require-hashes --no-deps --requirement $<
	@touch $@

# $(call environment,FOLDER): create a virtual environment there, unless it exists.
define environment
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || { echo "Pourparler needs Python 3.11 or newer: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }; \
test -x $(1)/bin/pip || $(PYTHON) -m venv $(1)
endef

# $(call generate,FOLDER): generate the stubs of proto/pourparler there. A dependency brings google.rpc.
# Only *_service.proto files define services.
define generate
rm -rf $(1) && mkdir -p $(1) && export PATH="$(CURDIR)/$(BUILD)/generator/bin:$$PATH" \
  && cd proto && python -m grpc_tools.protoc -I . \
    --python_out=../$(1) --mypy_out=quiet:../$(1) $$(find pourparler -name '*.proto' | sort) \
  && python -m grpc_tools.protoc -I . \
    --grpc_python_out=../$(1) --mypy_grpc_out=quiet:../$(1) $$(find pourparler -name '*_service.proto' | sort)
endef

# $(call resolve,WHAT,FILE): lock the versions of WHAT, with hashes, for every supported Python and system.
define resolve
$(BUILD)/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes \
  --no-emit-index-url --no-emit-find-links --annotation-style line --custom-compile-command "make lock" \
  $(1) --output-file $(2)
endef
