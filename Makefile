# make demo and make test are all that a fresh clone needs; both set up what they use: the demo the
# package alone, the tests its tools on top.
# They need Python 3.11 or newer, and no network but the package registry.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_TOOLS := $(VENV)/.installed_tools
# Lines of [tool.cosim.compiled]: make has to name them before there is a Python to read TOML with.
COMPILED := $(shell sed -n '/^\[tool.cosim.compiled\]/,/^\]/s/^ *"\(.*\)",*$$/\1/p' pyproject.toml)
INSTALLED_DOCS := $(VENV)/.installed_docs

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Python compiles a module when it is first imported; of all that pip installs that is one in four.
export PIP_COMPILE := 0
# Or every process of the tests would compile all sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test nightly smoke docs lint format clean

help:
	@echo "make demo     set up the package alone, and run the demo: 44 hours without and with a controller"
	@echo "make setup    make $(VENV) with the package and its tools (PYTHON=... picks the interpreter)"
	@echo "make test     check style, types and imports, and run the tests"
	@echo "make nightly  run larger samples of what make test checks"
	@echo "make smoke    check that the speed has not fallen by half"
	@echo "make docs     build the documentation site into site/"
	@echo "make lint     the checks alone"
	@echo "make format   format the code, and mend what ruff can"
	@echo "make clean    remove $(VENV), results and caches"

setup: $(INSTALLED_TOOLS)
	@:

# The package is installed in place: again only when its dependencies or its compiled modules change.
$(INSTALLED): pyproject.toml setup.py $(COMPILED)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("cosim needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; try make setup PYTHON=python3.11")'
	@test -x $(BIN)/pip || { echo "Setting up cosim in $(VENV), once: 440 MB of libraries, and the simulator in C where there is a compiler. About a minute on a quiet machine ..." && $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --editable .
	@$(BIN)/python -c 'import inference_sim; inference_sim.is_compiled() or print("The simulator runs as plain Python here, at less than half the speed; pip install -v . says why.")'
	@touch $@

# The tools come on top: pip adds what the extra names, and does not build the package again.
$(INSTALLED_TOOLS): pyproject.toml | $(INSTALLED)
	@test -e $@ || echo "Adding the tools of its tests and checks, once: 280 MB. It takes about half a minute ..."
	@$(BIN)/python -m pip install --quiet 'carbon-cosim[dev]'
	@touch $@

demo: $(INSTALLED)
	@$(BIN)/cosim demo

# A file of tests stays with one worker, so that what its tests share is made once.
PYTEST := $(BIN)/pytest --quiet --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 10
test nightly: SHELL := bash# whose time counts the processor of all children

test: lint
	@time $(PYTEST)

nightly: setup
	@time $(PYTEST) -m 'nightly or hypothesis' --hypothesis-profile nightly

smoke: setup
	@$(BIN)/python -m benchmarks --smoke --repeat 3

# MkDocs and what it needs come on top too, when they are first wanted.
$(INSTALLED_DOCS): pyproject.toml | $(INSTALLED)
	@$(BIN)/python -m pip install --quiet 'carbon-cosim[docs]'
	@touch $@

docs: $(INSTALLED_DOCS)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

clean:
	rm -rf $(VENV) results build dist site *.egg-info .*_cache .hypothesis
	find inference_sim -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
