# Copyright: Contributors to the community.honeycomb collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Needed beforehand: Python 3.10 or newer, git, make. Everything else is kept in .venv and .cache.

PYTHON ?= python3
VENV := .venv/bin/python
LINT := ansible-lint docs changelog importer

# Settings of the user's that would change what our Python runs. The scripts clear those of Ansible and Honeycomb.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV PIP_USER

# The scripts in a virtual environment hold its path: after the clone has moved, make it anew.
$(shell [ ! -e .venv ] || [ "$$(cat .venv/place 2>/dev/null)" = "$$PWD" ] || rm -rf .venv)

.PHONY: help demo test test-full lint sanity simulator clean

help:
	@echo "make demo       rotate a Honeycomb key under a running application, against the simulator"
	@echo "make test       all tests but the slow ones, and the checks of 'make lint' and 'make sanity'"
	@echo "make test-full  the same with the slow tests"
	@echo "make lint       ansible-lint, docs, changelog, and galaxy-importer on the built collection"
	@echo "make sanity     ansible-test sanity"
	@echo "make simulator  run the Honeycomb simulator by hand (options: make simulator ARGS='--port 8080')"
	@echo "make clean      remove .venv and .cache"

demo: .venv/demo
	@$(VENV) demo/run.py

simulator: .venv/demo
	@cd tests && exec ../$(VENV) -m simulator $(ARGS)

test: .venv/test
	@$(VENV) tests/tools/checks.py pytest $(LINT) sanity

test-full: .venv/test
	@$(VENV) tests/tools/checks.py pytest-full $(LINT) sanity

lint: .venv/test
	@$(VENV) tests/tools/checks.py $(LINT)

sanity: .venv/test
	@$(VENV) tests/tools/checks.py sanity

clean:
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

.PHONY: bench
bench: .venv/test  ## how long provisioning many keys takes, next to other ways (make bench ARGS=--quick leaves out two slow ones)
	@$(VENV) tests/benchmark/bench.py $(ARGS)
