# PowerHive's manual. `make` alone says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PY := .venv/bin/python
PYTEST := $(PY) -m pytest
TEST_PROCESSES ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo run test test-long lint audit translations bench bench-pyasic bench-fork bench-kill9 bench-balance bench-live bench-web screenshots lock clean chromium

help:  ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: .venv/.installed  ## a simulated plant and 100 miners on this machine, and PowerHive balancing them
	@$(PY) -m demo.run

run: .venv/.installed  ## serve the farm of instance/powerhive.toml (ctrl-C stops it)
	@$(PY) -c 'from app.factory import config_or_exit; config_or_exit()'
	@$(PY) -c 'from app.database_check import upgrade_or_exit; upgrade_or_exit()'
	@status=70; \
	while [ $$status -eq 70 ]; do \
		status=0; $(PY) -m gunicorn -c gunicorn.conf.py || status=$$?; \
		[ $$status -ne 70 ] || { echo "a job was stuck; starting again" >&2; sleep 1; }; \
	done; exit $$status

test: .venv/.installed-dev chromium  ## the whole suite, browser tests included
	@$(PYTEST) -n $(TEST_PROCESSES) --dist loadgroup -m "not long"

test-long: .venv/.installed-dev chromium  ## the tests that take minutes
	@$(PYTEST) -m long

lint: .venv/.installed-dev  ## style and types
	@$(PY) -m ruff check .
	@$(PY) -m mypy

audit: .venv/.installed-dev  ## ask the database of known vulnerabilities about every pinned package (needs the network)
	@$(PY) -m tests.dependency_audit

translations: .venv/.installed-dev  ## bring the catalogues up to the program's sentences, compile them, list what is untranslated
	@$(PY) -m tests.catalogue

bench: .venv/.installed-dev  ## measure scan, sweep, a 300-miner cycle, the idle simulator (a minute; prints)
	@for what in scan status_sweep cycle simulator_idle; do echo "== $$what"; $(PY) -m benchmarks.$$what; done

bench-pyasic: .venv/.installed-dev  ## let the public client pyasic read and set a simulated miner (needs port 80)
	@$(PY) -m benchmarks.pyasic_check

bench-fork: .venv/.installed-dev  ## kill a worker every second for two minutes
	@$(PY) -m benchmarks.fork_safety

bench-kill9: .venv/.installed-dev  ## kill -9 of the master, 20 times, while changes go out
	@$(PY) -m benchmarks.kill9

bench-balance: .venv/.installed-dev  ## balancing policies on a fast model farm: hashrate, overload, switches, decision time (minutes)
	@$(PY) -m benchmarks.balancing
	@$(PY) -m benchmarks.balancing --wrong
	@$(PY) -m benchmarks.balancing --static
	@$(PY) -m benchmarks.balancing --decide

LIVE ?=
bench-live: .venv/.installed-dev  ## the whole program against simulated farms for 18 minutes: what they really hashed (LIVE="--help")
	@$(PY) -m benchmarks.live $(LIVE)

bench-web: .venv/.installed-dev  ## the pages of 300 and 3,000 miners with a month of history, jobs running (minutes)
	@$(PY) -m benchmarks.web

screenshots: .venv/.installed-dev chromium  ## pictures of every page and state, to look at (screenshots/)
	@$(PY) -m tests.browser.screenshots

lock: .venv/.installed-dev  ## pin requirements*.in anew, with hashes
	@.venv/bin/uv pip compile --quiet --generate-hashes --no-strip-extras --no-emit-index-url --python-version 3.11 requirements.in -o requirements.txt
	@.venv/bin/uv pip compile --quiet --generate-hashes --no-strip-extras --no-emit-index-url --python-version 3.11 requirements-dev.in -o requirements-dev.txt

clean:  ## remove the environment, caches and the demo's data; never the instance folder
	@rm -rf .venv instance-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: stamp files, so that a second start takes seconds.
.venv/.created:
	@python=$$(command -v python3.11 || command -v python3 || true); \
	if [ -z "$$python" ]; then echo "PowerHive needs Python 3.11: apt-get install python3 python3-venv" >&2; exit 1; fi; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "PowerHive needs Python 3.11 or newer; $$python is $$("$$python" --version)" >&2; exit 1; }; \
	if ! "$$python" -c 'import ensurepip' 2>/dev/null; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "installing python3-venv"; apt-get update -qq; apt-get install -y -qq python3-venv >/dev/null; \
		else \
			echo "Python's venv module is incomplete here: apt-get install python3-venv" >&2; exit 1; \
		fi; \
	fi; \
	"$$python" -m venv .venv && touch $@

.venv/.installed: .venv/.created requirements.txt
	@echo "installing what PowerHive needs"
	@$(PY) -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "installing what its tests need"
	@$(PY) -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

# Browser tests need Chromium; without it they skip and say so (in CI they fail).
chromium:
	@if ! command -v chromium >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium for the browser tests"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null 2>&1; } || \
			echo "chromium could not be installed: browser tests will be skipped" >&2; \
	fi
