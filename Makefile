# Few targets; each does all the set-up it needs. Needs Python 3.11 or newer and make, nothing else; no root.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PYTHONDONTWRITEBYTECODE =

.PHONY: run test check lock clean help words

help:            ## list the targets and variables
	@sed -n 's/^\([a-z]*\): .*## */\1|/p' $(MAKEFILE_LIST) | \
	    while IFS='|' read -r target text; do printf '  make %-8s %s\n' "$$target" "$$text"; done
	@echo
	@sed -n 's/^#= /  /p' $(MAKEFILE_LIST)

#= KEEP=1        with run: leave it running, and play the child
#= JSON=1        with run: one line of JSON for each step
#= ARGS='…'      with test: what pytest is told, such as ARGS='tests/lists -x'
#= WORKERS=2     with test: how many processes run tests at once, each with a homeserver and databases of its own
#= PYTHON=…      always: the Python to set up with, such as PYTHON=python3.12

run: $(VENV)/.run-ready   ## a guarded encrypted conversation, end to end
	@$(BIN)/tutela demo $(if $(KEEP),--keep) $(if $(JSON),--json)

test: $(VENV)/.test-ready ## style, types, architecture, then the whole suite
	@$(MAKE) --no-print-directory check
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(VENV)/.test-ready ## style, types and architecture only
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate
INSTALL := VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q

lock: $(BIN)/uv  ## make the hash-pinned requirements anew
	$(COMPILE) requirements/uv.in -o requirements/uv.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt
	$(COMPILE) --extra demo pyproject.toml -c requirements/build.txt -o requirements/run.txt
	$(COMPILE) --extra demo --extra research --group test pyproject.toml -c requirements/build.txt -c requirements/run.txt -o requirements/test.txt

clean:           ## remove what the other targets made
	rm -rf $(VENV) node_modules tests/stock_client/node_modules

$(BIN)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Tutela needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Setting up: a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --require-hashes -r requirements/uv.txt
	@touch $@

# What is built here (this package, and one dependency without a wheel) is built with pinned tools too.
$(VENV)/.build-ready: $(BIN)/uv requirements/build.txt
	@$(INSTALL) --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/.run-ready: $(VENV)/.build-ready requirements/run.txt pyproject.toml
	@echo "Setting up: the locked dependencies (about 100 MB the first time)"
	@$(INSTALL) --no-build-isolation --require-hashes -r requirements/run.txt
	@$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

$(VENV)/.test-ready: $(VENV)/.build-ready requirements/test.txt pyproject.toml
	@echo "Setting up: the locked dependencies, with those of the tests"
	@$(INSTALL) --no-build-isolation --require-hashes -r requirements/test.txt
	@$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

words: $(VENV)/.test-ready ## compile the translations
	@$(BIN)/pybabel -q compile -d src/tutela/locale -D tutela --statistics
