# Every target does its own set-up: all it needs is make and Python 3.11 or newer (PYTHON=… names another one).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check
PYTEST := $(BIN)/pytest

.DEFAULT_GOAL := help
.PHONY: help demo test slow check format generate docs bench model crash faults fuzz races year soak leaks mutants install node clean

help: ## Show this help
	@grep -hE '^[a-z%-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo ## One rotation after another, one of them interrupted, against simulated systems (20 seconds)
	@$(BIN)/keyturn demo

test: $(VENV)/.dev install node ## Every test but the slow ones, against the built wheel
	@echo "Running the tests. This usually takes ten to fifteen minutes on two cores …"
	$(PYTEST) -n auto --dist loadscope -m 'not slow'

slow: $(VENV)/.dev install ## The slow tests: races, faults, kills, shortages, browsers, with a selection of the longest (SEED=any)
	@echo "Running the slow tests. This usually takes twenty minutes on two cores …"
	$(PYTEST) -n auto --dist loadscope --no-loadscope-reorder -m slow

test-%: $(VENV)/.dev install ## One folder of the tests: make test-unit, make test-security, …
	$(PYTEST) -n auto --dist loadscope tests/$*

node: ## The SuiteScript's own tests and lint, where Node.js is (REQUIRE=all: everywhere)
	@if command -v npm >/dev/null; then \
	  echo "Testing the SuiteScript. This usually takes less than a minute …"; \
	  cd suitescript && npm install --no-audit --no-fund --loglevel=error && npm run --silent lint && npm test --silent; \
	elif [ "$(REQUIRE)" = all ]; then echo "Node.js is required here and is missing." >&2; exit 1; \
	else echo "Node.js is missing: the SuiteScript's own tests are left out."; fi

check: $(VENV)/.dev ## Lint, format, types, import rules, wording, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python docs/check_words.py
	PYTHONPATH=. $(BIN)/python docs/generate.py --check

crash: $(VENV)/.dev install ## Kill a worker at every point of a rotation, on both databases (needs strace; 20 minutes)
	REQUIRE=all CRASH="$(or $(CRASH),all)" $(PYTEST) -x $(if $(CRASH),tests/crash/matrix,tests/crash)

# SLICE=10 SEED=7 on any of crash, faults and mutants tries every tenth case, beginning at the seventh.
faults: $(VENV)/.dev install ## Each fault at each call, and 2,800 random schedules of faults (SEED=any repeats one; minutes)
	FAULTS=all SEED=$(or $(SEED),$$(date +%s)) $(PYTEST) -x -n auto tests/faults

fuzz: $(VENV)/.dev install ## Give each reader of an answer odd ones, MINUTES=5 for each (SEED=any)
	FUZZ_SECONDS=$$(( $(or $(MINUTES),5) * 60 )) SEED=$(or $(SEED),$$(date +%s)) $(PYTEST) -n auto tests/fuzz

races: $(VENV)/.dev install ## Each pair of verbs at the same moment, 200 times on both databases (RACES=1000 more often; 20 minutes)
	RACES=$(or $(RACES),all) $(PYTEST) -x -n auto tests/contract/test_verb_races.py

model: $(VENV)/.dev ## Explore the model of the protocol, without each guard too, and replay it (needs spin, gcc)
	$(BIN)/python verification/model/run.py --quick --mutants
	$(PYTEST) tests/model

year: $(VENV)/.dev install ## A year of 200 connections on a fake clock, with random trouble (YEAR=50 of fewer, SEED=any; minutes)
	YEAR=$(or $(YEAR),200) SEED=$(or $(SEED),$$(date +%s)) $(PYTEST) tests/integration/test_year.py

soak: $(VENV)/.dev install ## Rotate 50 connections with random faults while workers are killed (MINUTES=30, SEED=any)
	PYTHONPATH=tests $(BIN)/python -m soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

leaks: $(VENV)/.dev install ## Search all output for secrets while systems answer with 2,000 pieces of requests (SEED=any repeats one; minutes)
	LEAKS=$(or $(LEAKS),2000) SEED=$(or $(SEED),$$(date +%s)) $(PYTEST) -n auto tests/security/test_mutated_answers.py

mutants: $(VENV)/.dev ## Break the core in thousands of small ways; a test must notice each (half an hour; python verification/mutation/run.py MODULE: minutes)
	nice -n 10 $(BIN)/python verification/mutation/run.py $(if $(SLICE),--slice $(SLICE) --seed $(or $(SEED),0))

format: $(VENV)/.dev ## Format the code and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

generate: $(VENV)/.dev ## Regenerate the diagrams and reference tables
	PYTHONPATH=. $(BIN)/python docs/generate.py

docs: $(VENV)-docs/.ready ## Build the documentation as a site, in build/site; a dead link fails (half a minute)
	@$(VENV)-docs/bin/python docs/build_site.py

bench: $(VENV)/.dev install ## Measure, each figure next to its floor in the same run
	$(BIN)/python benchmarks/rotations.py
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/takeover.py
	$(BIN)/python benchmarks/dispatch.py
	$(BIN)/python benchmarks/stop.py
	$(BIN)/python benchmarks/fleet.py
	$(BIN)/python benchmarks/console.py

# The wheel, not the checkout, is what the tests import: pytest runs with --import-mode=importlib.
install: $(VENV)/.dev
	@echo "Building the wheel and installing it. This usually takes about five seconds …"
	@$(PIP) install --no-deps --force-reinstall .

$(VENV)/.demo: pyproject.toml constraints.txt $(shell find states persistence orchestrator simulator suitescript/src -name '*.py' -o -name '*.js' 2>/dev/null) | $(VENV)/bin/python
	@echo "Installing Keyturn with its simulator into $(VENV). This usually takes less than a minute …"
	@$(PIP) install -c constraints.txt '.[simulator,console]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing Keyturn and its development tools into $(VENV). This usually takes one to two minutes …"
	@$(PIP) install -c constraints.txt '.[simulator,console,postgresql,keyring]' --group dev
	@touch $@

$(VENV)-docs/.ready: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing the documentation's site builder into $(VENV)-docs. This usually takes about ten seconds …"
	@$(PYTHON) -m venv --without-pip $(VENV)-docs
	@$(PIP) --python $(VENV)-docs/bin/python install -c constraints.txt --group docs
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Keyturn needs Python 3.11 or newer: make PYTHON=python3.12 …")'
	@echo "Making the Python environment $(VENV). This usually takes about ten seconds …"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install 'pip>=25.1'

clean: ## Remove the environment and everything built
	rm -rf $(VENV) $(VENV)-docs dist build suitescript/node_modules .pytest_cache .mypy_cache .ruff_cache
