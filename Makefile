# Every target sets up what it needs, on the first run. PYTHON=... names the Python that the virtual
# environment is made with; ARGS=... goes to the command, as in `make test ARGS="-k handshake"`.

VENV ?= .venv
ARGS ?=
PY := $(VENV)/bin/python
BIN := $(VENV)/bin
VENV_MADE := $(VENV)/.made
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
FUZZ := $(VENV)/.fuzz-installed
# Folders with Python in them, asked for only when needed.
CODE = $(shell git ls-files -co --exclude-standard "*.py" | cut -d/ -f1 | sort -u)
INPUTS := pyproject.toml requirements/constraints.txt scripts/install.py

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check lint types fmt interop bench fuzz fuzz-ci soak soak-ci reliability docs client-bundle peers lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# What people run

demo: $(RUNTIME) ## Start the demo in a browser (needs only the runtime dependencies)
	@$(BIN)/sockwave demo $(ARGS)

test: $(DEV) peers ## Run the test suite
	@$(BIN)/pytest $(ARGS)

check: lint types docs ## Look at the code without running it: lint, types, documentation
	@echo "All checks passed"

# What `check` is made of, and more

lint: $(DEV) ## Style, import arrows, spelling, paths
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet || { echo "Run: make fmt"; exit 1; }
	@$(BIN)/lint-imports --no-cache > $(VENV)/.lint-imports 2>&1 || { cat $(VENV)/.lint-imports; exit 1; }
	@git ls-files -z | xargs -0 $(BIN)/codespell
	@$(PY) -m scripts.check_tree
	@echo "Lint is clean"

types: $(DEV) ## mypy, strict, on source and tests
	@$(BIN)/mypy --no-error-summary $(CODE) && echo "Types are clean"

fmt: $(DEV) ## Format the code and sort the imports
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format

interop: $(DEV) peers ## Run the tests against the clients of others, and in browsers
	@$(BIN)/pytest interop $(ARGS)

bench: $(DEV) ## Run the benchmarks
	@$(PY) -m benchmarks.run $(ARGS)

fuzz: $(FUZZ) ## Throw inputs at all that reads what a peer sends, guided by coverage
	@$(PY) -m fuzz.run $(ARGS)

fuzz-ci: $(DEV) ## The same inputs on every run: a million for the codec, then whole connections
	@$(PY) -m fuzz.run --engine mutation --seed 1 --target codec --inputs 1000000
	@$(PY) -m fuzz.run --engine mutation --seed 1 --target connections --seconds 30

soak: $(DEV) ## Let clients come and go for an hour, and see that nothing grows
	@$(PY) -m soak.run $(ARGS)

soak-ci: $(DEV) ## The same for half a minute, on each front end
	@$(PY) -m soak.run --seconds 15 --seed 1
	@$(PY) -m soak.run --seconds 15 --seed 2 --front asgi

reliability: $(DEV) ## Measure what it takes to disturb the server
	@$(PY) -m benchmarks.reliability $(ARGS)

docs: $(VENV_MADE) ## Check links and code blocks of the documentation
	@$(PY) -m scripts.check_docs

client-bundle: $(DEV) ## Renew the JavaScript client that the server hands out
	@$(PY) scripts/update_client_bundle.py $(ARGS)

# Set-up

peers: $(VENV_MADE) ## Install Node.js packages and browsers for the tests, where they are missing
	@$(PY) -m scripts.node
	@$(PY) -m scripts.browsers
	@$(PY) -m scripts.python39

$(VENV_MADE): scripts/venv.sh
	@sh scripts/venv.sh $(VENV) $(PYTHON)
	@touch $@

$(RUNTIME): $(VENV_MADE) $(INPUTS)
	@$(PY) -m scripts.install runtime
	@touch $@

$(DEV): $(RUNTIME)
	@$(PY) -m scripts.install dev
	@$(PY) -m scripts.install examples
	@touch $@

$(FUZZ): $(DEV)
	@$(PY) -m scripts.install fuzz
	@touch $@

lock: $(VENV_MADE) ## Pin the newest versions of all dependencies
	@$(PY) -m scripts.install lock

clean: ## Remove everything that make has made
	@rm -rf $(VENV) interop/node_modules build dist htmlcov .coverage* .cache .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
