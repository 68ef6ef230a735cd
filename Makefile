# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

PYTHON ?= python3
# What make test goes through, and the cores of make cores if not all: make test STAGES=lint, make cores CORES='2.17 2.21'
STAGES ?= lint sanity unit integration events
CORES ?=
VENV := .venv
INSTALLED := $(VENV)/installed
DEMO_VENV := .cache/demo
BENCH_VENV := .cache/benchmark
RULEBOOK_VENV := .cache/rulebook
SITE_VENV := .cache/docsite-environment
PACKAGE := ansible_collections.pgops.sequences.plugins
TOOLCHAIN := $(VENV)/bin/python tests/support/toolchain.py

# The tools call each other by name.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help venv test lint sanity unit integration long events site cores matrix bench bench-quick demo release clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]*:.*## / { line = sprintf("  %-12s", $$1); count = split($$2, words, " "); \
	  for (i = 1; i <= count; i++) { \
	    if (length(line) + length(words[i]) > 78) { print line; line = sprintf("%14s", "") } line = line " " words[i] } print line }' \
	  $(MAKEFILE_LIST)

venv: $(INSTALLED) ## make the environment that the other targets run in

$(INSTALLED): tests/requirements.txt
	$(call environment,$(VENV),$<)
	@touch $@

# An environment with a file's requirements: $(call environment,folder,file)
define environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "$(PYTHON) is too old: Python 3.10 or newer is needed, name one by PYTHON="; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make environments with pip (Debian: apt-get install python3-venv)"; exit 1; }
	$(PYTHON) -m venv --clear $(1)
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $(2)
endef

test: $(INSTALLED) ## lint, sanity, unit, integration and events, with a summary
	@$(TOOLCHAIN) stages $(STAGES)

lint: $(INSTALLED) ## style, types, licences, documentation and changelog
	ruff check .
	ruff format --check .
	@$(TOOLCHAIN) link > /dev/null
	mypy -p $(PACKAGE) -p support -m cores -m docsite.build -m docsite.conf -m matrix -m mutation -m soak.run
	mypy extensions/eda/plugins roles
	reuse lint --lines
	git ls-files --cached --others --exclude-standard '*.yml' '*.yaml' | xargs yamllint --strict
	cd "$$($(TOOLCHAIN) copy)" && ANSIBLE_COLLECTIONS_PATH=../../.. ansible-lint --nocolor
	cd "$$($(TOOLCHAIN) copy)" && antsibull-docs lint-collection-docs --plugin-docs --check-extra-docs-refs --validate-collection-refs=all \
	  --disallow-unknown-collection-refs .
	cd "$$($(TOOLCHAIN) copy)" && antsibull-changelog lint

sanity: $(INSTALLED) ## ansible-test sanity, without exceptions
	@$(TOOLCHAIN) sanity

unit: $(INSTALLED) ## tests without a server, by pytest and by ansible-test units
	pytest tests/unit
	@$(TOOLCHAIN) units

integration: $(INSTALLED) ## tests on real servers, of the versions in PGOPS_PG_VERSIONS, and in a real browser; ansible-test integration
	# The longest first, so that none is left for the end.
	PGOPS_PART=short pytest -n 2 --dist loadfile tests/playbooks tests/browser tests/server
	@$(TOOLCHAIN) targets

long: $(INSTALLED) ## what takes minutes: the monitor, attacks, cut-overs, many hosts, mistakes, guides (15 minutes)
	PGOPS_PART=long pytest -n 2 --dist loadfile tests/playbooks tests/server

events: $(INSTALLED) $(RULEBOOK_VENV)/installed ## the event source and the rulebooks in ansible-rulebook itself
	pytest tests/eda

$(RULEBOOK_VENV)/installed: tests/eda/requirements.txt
	$(call environment,$(RULEBOOK_VENV),$<)
	@touch $@

site: $(SITE_VENV)/installed ## the site of the documentation, to .cache/docsite/html; a warning, or a link that leads nowhere, is a failure (a minute)
	@$(SITE_VENV)/bin/python tests/docsite/build.py

$(SITE_VENV)/installed: tests/docsite/requirements.txt
	$(call environment,$(SITE_VENV),$<)
	@touch $@

cores: $(INSTALLED) ## sanity, unit tests, targets and playbooks on every supported ansible-core, for the README's table (20 minutes)
	@$(VENV)/bin/python tests/cores.py --record $(if $(CORES),--cores $(CORES))

matrix: $(INSTALLED) ## all PostgreSQL versions, drivers and Pythons; many random cases and kills; broken rules; a soak of the monitor (hours)
	$(VENV)/bin/python tests/mutation.py
	PGOPS_PG_VERSIONS=18 pytest -n 2 --dist loadfile tests/playbooks
	$(VENV)/bin/python tests/soak/run.py --minutes 20
	PGOPS_PROPERTY_CASES=2000 PGOPS_KILLS=100 $(VENV)/bin/python tests/matrix.py --record

bench: $(BENCH_VENV)/installed ## measure beside the floor and the peers, and write the results to docs/performance (an hour)
	$(BENCH_VENV)/bin/python tests/benchmark/run.py --results docs/performance

bench-quick: $(BENCH_VENV)/installed ## the same with one small database, to tests/output/benchmark (a minute)
	$(BENCH_VENV)/bin/python tests/benchmark/run.py --quick

$(BENCH_VENV)/installed: tests/benchmark/requirements.txt
	$(call environment,$(BENCH_VENV),$<)
	@touch $@

demo: $(DEMO_VENV)/installed ## show the collection at work on a server of its own
	@$(DEMO_VENV)/bin/python tests/demo/demo.py

$(DEMO_VENV)/installed: tests/demo/requirements.txt
	$(call environment,$(DEMO_VENV),$<)
	@touch $@

release: $(INSTALLED) ## make the release of galaxy.yml's version after all checks: changelog, commit, package, tag; nothing leaves this machine
	@.ci/release

clean: ## remove the environment and all caches in this checkout
	rm -rf $(VENV) .cache tests/output
