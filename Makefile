# `make demo` and `make test` need nothing but Python 3.11+ with venv, and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test slow lab lint docs clean

PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable
DEMO := $(VENV)/.demo

# Installed once, and again only when what is wanted has changed. The demo needs no developer's tools.
$(DEMO): pyproject.toml constraints.txt
	@echo 'Installing into $(VENV), which takes some minutes. On Linux torch brings the libraries of CUDA:'
	@echo 'about 2.8 GB are downloaded and 6.4 GB kept. To keep it under 2 GB, stop here, install the CPU'
	@echo 'build of torch and torchvision into $(VENV) (the install page of PyTorch has the command), and'
	@echo 'run `pip install --editable .` there. No weights are downloaded: the model is in the package.'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) .
	@touch $@

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) '.[dev]'
	@touch $@ $(DEMO)

demo: $(DEMO)
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

# Warnings are errors: a page without a link to it, a link without a page.
docs: $(STAMP)
	$(BIN)/python docs/make_commands.py
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo 'Now open site/index.html, or run: $(BIN)/python -m http.server -d site'

clean:
	rm -rf $(VENV) site build dist *.egg-info tags.csv report.html
