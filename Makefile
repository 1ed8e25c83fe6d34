# `make caption IMAGE=...` and `make test` are all a newcomer needs; each sets the environment up first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help install caption test test-demo bench real-size matrix lint types check docs train bundle clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

install: $(READY) ## Make .venv with everything in it

caption: $(READY) ## Caption a picture: make caption IMAGE=img.jpg
	@test -n "$(IMAGE)" || { echo "make caption: name a picture, as in: make caption IMAGE=docs/example.png" >&2; exit 2; }
	@$(BIN)/hybrid caption "$(IMAGE)"

# A process a core, up to four: each holds torch, JAX and the programs it compiled, about 2 GiB.
test: $(READY) ## Run the tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-demo: $(READY) ## Run the tests of the web page in a browser (needs chromium)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[test-demo]'
	$(BIN)/python -m pytest tests/hybrid/test_demo.py

bench: $(READY) ## Run the benchmarks, on a machine that does nothing else
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m pytest --benchmark-only --benchmark-json benchmark.json
	$(BIN)/python -m benchmarks.report benchmark.json

# Above 4 GiB of memory; the folder takes 2.8 GB and is kept.
REAL_SIZE ?= $(or $(TMPDIR),/tmp)/hybrid-real-size
real-size: $(READY) ## Measure CLIP + TinyLlama at full size: make real-size REAL_SIZE=DIR
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks.real_parts "$(REAL_SIZE)"
	$(BIN)/python -m pytest benchmarks/test_real_models.py --benchmark-only --real-size "$(REAL_SIZE)" --benchmark-json real-models.json
	$(BIN)/python -m benchmarks.real_report real-models.json

matrix: ## Run the fast tests with the oldest and the newest versions supported, in .matrix
	PYTHON=$(PYTHON) bash tests/matrix.sh

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types
	$(BIN)/mypy

check: lint types test ## All that CI runs

docs: $(READY) ## Write docs/cli.md anew from the help pages
	$(BIN)/python -m hybrid.cli.reference > docs/cli.md

train: $(READY) ## Train the bundled model anew, into runs/scenes-mini
	$(BIN)/hybrid train --preset scenes-mini

bundle: $(READY) ## Ship the model of the last training run
	$(BIN)/python -m hybrid.training.bundle runs/scenes-mini

clean: ## Remove the environment and what tools left
	rm -rf $(VENV) .matrix dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
