# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Needed beforehand: Python 3.10 or newer, git, make. Everything else is kept in .venv and .cache.

PYTHON ?= python3
VENV := .venv/bin/python
CHECKS := $(VENV) tests/tools/checks.py

# Settings of the user's that would change what our Python runs. The scripts clear those of Ansible and Honeycomb.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONDONTWRITEBYTECODE VIRTUAL_ENV PIP_USER

# The scripts in a virtual environment hold its path: after the clone has moved, create it again.
$(shell [ ! -e .venv ] || [ "$$(cat .venv/place 2>/dev/null)" = "$$PWD" ] || rm -rf .venv)

# Every target that is not a file; what follows ## says what it does.
.PHONY: help
help:  ## show this list
	@awk '/^[a-z][a-z-]*:/ { name = what = $$0; sub(/:.*/, "", name); sub(/^[^#]*(## *)?/, "", what); \
		printf "make %-12s  %s\n", name, what }' Makefile

.PHONY: demo
demo: .venv/demo  ## rotate a Honeycomb key under a running application, against the simulator
	@$(VENV) demo/run.py

.PHONY: test
test: .venv/test  ## everything but the slow tests: pytest, lint, sanity, integration
	@$(CHECKS) pytest lint sanity integration

.PHONY: test-full
test-full: .venv/test  ## the same with the slow tests
	@$(CHECKS) pytest-full lint sanity integration

.PHONY: stores
stores: .venv/stores  ## install the real servers and programs that the tests of stores need (heavy; without them these are skipped)

.PHONY: unit
unit: .venv/test  ## the unit tests (make unit ARGS='-k NAME' runs some of them)
	@$(VENV) -m pytest -n $$((2 * $$(nproc || echo 2) + 1)) tests/unit $(ARGS)

.PHONY: playbooks
playbooks: .venv/test  ## the tests that run playbooks (ARGS as with unit)
	@$(VENV) -m pytest -n auto tests/playbooks $(ARGS)

.PHONY: lint
lint: .venv/test  ## ruff, formatting, types, ansible-lint, docs, changelog, and galaxy-importer on the built collection
	@$(CHECKS) lint

.PHONY: format
format: .venv/test  ## format the Python code, and fix what ruff can fix
	@.venv/bin/ruff check --fix-only .
	@.venv/bin/ruff format .

.PHONY: types
types: .venv/test  ## check the types alone, with mypy
	@$(CHECKS) types

.PHONY: sanity
sanity: .venv/test  ## ansible-test sanity
	@$(CHECKS) sanity

.PHONY: integration
integration: .venv/test  ## ansible-test integration, against the simulator
	@$(CHECKS) integration

.PHONY: bench
bench: .venv/test  ## how long many keys take, next to other ways (ARGS=--quick leaves out two slow ones)
	@$(VENV) tests/benchmark/bench.py $(ARGS)

.PHONY: simulator
simulator: .venv/demo  ## run the Honeycomb simulator by hand (ARGS=--help lists its options)
	@cd tests && exec ../$(VENV) -m simulator $(ARGS)

.PHONY: clean
clean:  ## remove .venv and .cache
	rm -rf .venv .cache

$(VENV):
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 10) or sys.exit("Python 3.10 or newer is needed, and this one is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "No virtual environment could be made: is Python's venv module installed? (Debian and Ubuntu: python3-venv)" >&2; exit 1; }
	@echo "$$PWD" > .venv/place

.venv/demo: $(VENV) requirements.txt tests/requirements/demo.txt
	@echo "Installing what the demo needs into .venv ..."
	@$(VENV) -m pip install -qq --disable-pip-version-check -r tests/requirements/demo.txt
	@touch $@

.venv/test: .venv/demo tests/requirements/test.txt tests/requirements/lint.txt
	@echo "Installing what the tests need into .venv ..."
	@$(VENV) -m pip install -qq --disable-pip-version-check -r tests/requirements/test.txt -r tests/requirements/lint.txt
	@touch $@

.venv/stores: .venv/test tests/requirements/stores.txt
	@echo "Installing what the tests of stores need into .venv ..."
	@$(VENV) -m pip install -qq --disable-pip-version-check -r tests/requirements/stores.txt
	@touch $@
