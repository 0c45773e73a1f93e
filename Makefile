# Every target sets up what it needs, on the first run. PYTHON=... names the Python that the virtual
# environment is made with; ARGS=... goes to the command, as in `make test ARGS="-k handshake"`.

VENV ?= .venv
ARGS ?=
# Windows has another name for the folder.
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PY := $(BIN)/python
VENV_MADE := $(VENV)/.made
RUNTIME := $(VENV)/.runtime-installed
DOCS := $(VENV)/.docs-installed
DEV := $(VENV)/.dev-installed
FUZZ := $(VENV)/.fuzz-installed
# Folders with Python in them, asked for only when needed.
CODE = $(shell git ls-files -co --exclude-standard "*.py" | cut -d/ -f1 | sort -u)
# Tests that do not disturb each other wait much: more of them at a time than there are cores.
TOGETHER := -n 4 --dist worksteal
# Those that start engines share them within a file or a class, and mostly wait.
APART := -n 4 --dist loadscope
# Those with clients of others share these within a file.
BESIDE := -n 3 --dist loadfile
# Attacks have the machine to themselves; the site is built where tests in browsers read it.
ALONE := tests/security tests/test_site.py
INPUTS := pyproject.toml requirements/constraints.txt scripts/install.py

# Compiled files are kept: each of the many programs that tests start would compile all of it anew.
unexport PYTHONDONTWRITEBYTECODE

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-all long test-live test-elsewhere test-slow test-pythons changelog release stranger check lint types fmt interop bench bench-cluster bench-capacity fuzz fuzz-ci soak soak-ci reliability docs client-bundle admin-page node peers engines lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# What people run

demo: $(RUNTIME) ## Start the demo in a browser (needs only the runtime dependencies)
	@$(BIN)/sockwave demo $(ARGS)

test: $(DEV) node ## Run the test suite: minutes
	@$(BIN)/pytest $(TOGETHER) -m "not slow and not live" $(ARGS)

test-slow: $(DEV) peers engines ## Those with attacks, faults and browsers, which that leaves out
	@failed=0; \
		$(BIN)/pytest $(BESIDE) -m "slow and not live" $(or $(ARGS),$(addprefix --ignore=,$(ALONE))) || failed=1; \
		$(if $(ARGS),,$(BIN)/pytest -m "slow and not live" $(ALONE) || failed=1;) exit $$failed

test-all: ## Both
	@failed=0; $(MAKE) test || failed=1; $(MAKE) test-slow || failed=1; exit $$failed

long: $(FUZZ) peers engines ## What CI runs a part of, at its full size: hours
	@SOCKWAVE_CATALOGUE=full $(BIN)/pytest -m slow tests/security tests/workers
	@SOCKWAVE_HISTORY=20x600 $(BIN)/pytest tests/history
	@SOCKWAVE_FUZZ=1 $(BIN)/pytest $(TOGETHER) -m "not slow and not live"
	@$(PY) -m fuzz.run --seconds 300
	@$(PY) -m interop.beside --scripts 20000 --seed 1
	@$(PY) -m soak.run
	@SOCKWAVE_KILLS=30 $(MAKE) test-live
	@$(MAKE) test-elsewhere

test-live: $(DEV) node engines ## Run the tests that need Redis, PostgreSQL, NATS, which it starts itself
	@$(BIN)/pytest $(APART) -m live tests/live interop/cluster $(ARGS)

test-elsewhere: $(DEV) peers ## Run those of the package where what Windows lacks is taken away
	@PYTHONPATH=tests/elsewhere $(BIN)/pytest $(TOGETHER) -p no:anyio $(ARGS) \
		$(addprefix tests/,elsewhere adapters codec engine socketio wire client sync cli)

test-pythons: $(DEV) node ## Run the tests that may depend on it on each other Python that is at hand
	@$(PY) -m scripts.pythons

check: lint types docs ## Look at the code without running it: lint, types, documentation
	@echo "All checks passed"

# What `check` is made of, and more

lint: $(DEV) ## Style, import arrows, sizes, spelling, paths
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet || { echo "Run: make fmt"; exit 1; }
	@$(BIN)/lint-imports --no-cache > $(VENV)/.lint-imports 2>&1 || { cat $(VENV)/.lint-imports; exit 1; }
	@git ls-files -z | xargs -0 $(BIN)/codespell
	@$(PY) -m scripts.check_tree
	@$(PY) -m scripts.check_circles
	@$(PY) -m scripts.check_sizes
	@$(PY) -m scripts.check_privates
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	@$(BIN)/towncrier build --draft --version next > $(VENV)/.changelog 2>&1 || { cat $(VENV)/.changelog; exit 1; }
	@echo "Lint is clean"

types: $(DEV) ## mypy, strict, on source and tests
	@$(BIN)/mypy --no-error-summary $(CODE) && echo "Types are clean"

fmt: $(DEV) ## Format the code, sort the imports, write the texts of options where they are shown
	@$(PY) -m scripts.option_docs
	@$(BIN)/ruff check --quiet --fix-only
	@$(BIN)/ruff format

interop: $(DEV) peers ## Run the tests against the clients of others, and in browsers
	@$(BIN)/pytest $(BESIDE) interop -m "not live" $(ARGS)

bench: $(DEV) ## Run the benchmarks
	@$(PY) -m benchmarks.run $(ARGS)

bench-cluster: $(DEV) ## Measure what several workers cost
	@$(PY) -m benchmarks.cluster $(ARGS)

bench-capacity: $(DEV) engines ## Measure what a cluster carries, by carrier, and write docs/capacity.md
	@$(PY) -m benchmarks.capacity $(ARGS)

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

docs: $(DOCS) ## Build the documentation (build/site/index.html); check its links and code blocks
	@$(PY) -m scripts.draw_states
	@$(PY) -m scripts.draw_socket_life
	@$(PY) -m scripts.draw_rooms
	@$(PY) -m scripts.check_docs
	@$(PY) -m scripts.site.build

changelog: $(DEV) ## Show what the next release changes
	@$(BIN)/towncrier build --draft --version next

release: $(DEV) ## Build what is handed out into dist/, and try it in empty environments of each Python at hand
	@$(PY) -m scripts.release

stranger: $(DEV) node engines ## Go the way of a newcomer with the wheel alone: every block of the first pages is run
	@$(PY) -m scripts.strangers_path

client-bundle: $(DEV) ## Renew the JavaScript client that the server hands out
	@$(PY) scripts/update_client_bundle.py $(ARGS)

admin-page: $(DEV) ## Renew the Admin UI that the server can hand out
	@$(PY) -m scripts.update_admin_page $(ARGS)

# Set-up

node: $(VENV_MADE) ## Install Node.js and its packages for the tests, where they are missing
	@$(PY) -m scripts.node

peers: node ## Install browsers, old Pythons and Deno for the tests too
	@$(PY) -m scripts.browsers
	@$(PY) -m scripts.python39
	@$(PY) -m scripts.deno

engines: $(VENV_MADE) ## Install Redis, PostgreSQL, NATS, nginx and HAProxy for the tests, where they are missing
	@$(PY) -m scripts.engines

$(VENV_MADE): scripts/venv.sh
	@sh scripts/venv.sh $(VENV) $(PYTHON)
	@touch $@

$(RUNTIME): $(VENV_MADE) $(INPUTS)
	@$(PY) -m scripts.install runtime
	@touch $@

$(DOCS): $(RUNTIME)
	@$(PY) -m scripts.install docs
	@touch $@

$(DEV): $(DOCS)
	@$(PY) -m scripts.install dev
	@$(PY) -m scripts.install examples
	@touch $@

$(FUZZ): $(DEV)
	@$(PY) -m scripts.install fuzz
	@touch $@

lock: $(VENV_MADE) ## Pin the newest versions of all dependencies
	@$(PY) -m scripts.install lock

clean: ## Remove everything that make has made
	@rm -rf $(VENV) interop/node_modules benchmarks/beside/node_modules build dist htmlcov .coverage* .cache .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
