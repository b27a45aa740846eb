# `make demo` and `make test` need nothing but Python 3.11+ with venv, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test slow lab lint clean

# One install serves every target; it is repeated only when what is wanted has changed.
$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/fashiontag tag examples/catalog --titles examples/catalog/titles.csv \
	  --out tags.csv --html report.html
	@echo 'Now look: report.html in a browser, tags.csv in a spreadsheet. Then try:'
	@echo '  $(BIN)/fashiontag search "summer floral dress"'

test: $(STAMP)
	$(BIN)/python -m pytest

slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

lab: $(STAMP)
	$(BIN)/python -m pytest -m lab benchmarks/lab/tests

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist *.egg-info tags.csv report.html
