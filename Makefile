# Two commands for a newcomer: `make demo` and `make test`; `make check` is for every change in between.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# as a path, which type checkers and editors follow
EDITABLE := --config-settings editable_mode=compat --editable

# a process for each core and one more, since some tests wait, and one thread in each; a file's tests stay together, and
# with them what they share; in the order of tests/conftest.py; bytecode is kept, else hundreds of processes compile nst anew
PROCESSES = $(shell $(PYTHON) -c 'import os; print(1 + (os.cpu_count() or 1))')
TEST = NST_REQUIRE_BACKENDS=torch,tf,onnx OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest \
	--numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder

BENCHMARKS := speed layers precision memory history scaling

.PHONY: demo test check docs browser fuzz release-check lint format bench bench-gpu clean

demo: .venv/.demo
	$(BIN)/nst demo -o out.png

test: .venv/.test docs/browser/node_modules
	$(TEST)

# the quick ones: no browsers, no services, no fresh environments
check: .venv/.test
	$(TEST) -m "not slow"

# the page docs/browser with all that it needs, ready to be served
browser: .venv/.test docs/browser/node_modules
	$(BIN)/python docs/browser/build.py

# the site of docs/, in build/site: open build/site/index.html
docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# minutes; what is found is kept in build/fuzz
fuzz: .venv/.test
	$(BIN)/python tests/fuzz/campaign.py pictures 10000 --keep build/fuzz
	$(BIN)/python tests/fuzz/campaign.py animations 2000 --keep build/fuzz
	$(BIN)/python tests/fuzz/campaign.py weights 5000 --keep build/fuzz
	$(BIN)/python tests/fuzz/campaign.py documents 5000 --keep build/fuzz
	$(BIN)/python tests/fuzz/campaign.py films 2000 --keep build/fuzz

# minutes, and gigabytes in a temporary folder; see docs/releasing.md
release-check: .venv/.test
	$(BIN)/python tests/release.py

lint: .venv/.test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache --no-logo && $(BIN)/mypy

format: .venv/.test
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

# about an hour on two cores; see docs/benchmarks.md
bench: .venv/.test
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/run.py $$name || exit 1; done

# installs nothing: PYTHON is that of an environment with CUDA builds of torch and onnxruntime
bench-gpu:
	for name in $(BENCHMARKS); do PYTHONPATH=. $(PYTHON) benchmarks/run.py $$name --device cuda || exit 1; done

clean:
	rm -rf .venv build *.egg-info demo out.png
	cd docs/browser && rm -rf node_modules vendor models samples

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) $(EDITABLE) '.[onnx,cli]'
	touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) $(EDITABLE) '.[all,dev]'
	touch $@ .venv/.demo

.venv/.docs: pyproject.toml constraints.txt | .venv/bin/python
	$(PIP) $(EDITABLE) '.[cli,docs]'
	touch $@

.venv/bin/python:
	$(PYTHON) -m venv .venv

# ONNX Runtime for browsers, where there is npm to fetch it; without it the test of the page is skipped
docs/browser/node_modules: docs/browser/package.json
	-command -v npm > /dev/null && cd docs/browser && \
	npm install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error && touch node_modules
