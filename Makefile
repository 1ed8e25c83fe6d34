# `make caption IMAGE=...` and `make test` are all a newcomer needs; each sets the environment up first.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt

.PHONY: help install caption test quick test-demo bench real-size photographs connectors noise matrix pennylane-suite tfq lint types check docs train bundle clean

help: ## List these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# The program alone, and with it what tests it.
$(RUNS): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	@touch $@

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[test]'
	@touch $(RUNS) $@

install: $(READY) ## Make .venv with everything that the tests need

caption: $(RUNS) ## Caption a picture: make caption IMAGE=img.jpg
	@test -n "$(IMAGE)" || { echo "make caption: name a picture, as in: make caption IMAGE=docs/example.png" >&2; exit 2; }
	@$(BIN)/hybrid caption "$(IMAGE)"

# A process a core, up to four: each holds torch, JAX and the programs it compiled, about 2 GiB.
test: $(READY) ## Run the tests
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

quick: $(READY) ## Run the tests marked quick: no subprocesses, no training; 90 seconds on two cores
	$(BIN)/python -m pytest -m quick -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder --max-worker-restart 0

test-demo: $(READY) ## Run the tests of the web page in a browser (needs chromium)
	$(PIP) -e '.[test-demo]'
	$(BIN)/python -m pytest tests/hybrid/test_demo.py

bench: $(READY) ## Run the benchmarks, on a machine that does nothing else
	$(PIP) -e '.[bench]'
	$(BIN)/python -m pytest --benchmark-only --benchmark-json benchmark.json
	$(BIN)/python -m benchmarks.report benchmark.json

# Above 4 GiB of memory; the folder takes 2.8 GB and is kept.
REAL_SIZE ?= $(or $(TMPDIR),/tmp)/hybrid-real-size
real-size: $(READY) ## Measure CLIP + TinyLlama at full size: make real-size REAL_SIZE=DIR
	$(PIP) -e '.[bench]'
	$(BIN)/python -m benchmarks.real_parts "$(REAL_SIZE)"
	$(BIN)/python -m pytest benchmarks/test_real_models.py --benchmark-only --real-size "$(REAL_SIZE)" --benchmark-json real-models.json
	$(BIN)/python -m benchmarks.real_report real-models.json

# VISION and LANGUAGE are folders, or names on the hub; without them the preset's are fetched from there.
PHOTOGRAPHS ?= runs/photographs
photographs: $(RUNS) ## Train on photographs and score: make photographs DATA=captions.csv [VISION=DIR LANGUAGE=DIR]
	@test -n "$(DATA)" || { echo "make photographs: name captions, as in: make photographs DATA=captions.csv" >&2; exit 2; }
	$(BIN)/hybrid train --preset smollm2 $(if $(VISION),--vision "$(VISION)") $(if $(LANGUAGE),--language "$(LANGUAGE)") --data "$(DATA)" --output "$(PHOTOGRAPHS)"
	$(BIN)/hybrid eval --model "$(PHOTOGRAPHS)/model" --data "$(DATA)" --split val --captions --output "$(PHOTOGRAPHS)/scores.json"
	$(BIN)/python -m hybrid.training.photographs "$(PHOTOGRAPHS)/model" "$(PHOTOGRAPHS)/scores.json" "By make photographs." "Nobody has looked yet." "$(PHOTOGRAPHS)/photos"

PHOTOS = --data "$(DATA)" $(if $(VISION),--vision "$(VISION)") $(if $(LANGUAGE),--language "$(LANGUAGE)")
connectors: $(RUNS) ## Compare connectors of photographs, by kind, size and shots: make connectors DATA=captions.csv [VISION=DIR LANGUAGE=DIR]
	@test -n "$(DATA)" || { echo "make connectors: name captions, as in: make connectors DATA=captions.csv" >&2; exit 2; }
	$(BIN)/python -m benchmarks.connectors $(PHOTOS)
	$(BIN)/python -m benchmarks.connectors $(PHOTOS) --sizes --seeds 0
	$(BIN)/python -m benchmarks.connector_sizes $(PHOTOS)
	$(BIN)/python -m benchmarks.connector_tables

matrix: ## Run the quick tests on Python 3.11, 3.12, 3.13, the oldest and the newest versions, in .matrix
	bash tests/matrix.sh

noise: $(READY) ## Measure and draw the bundled model's captions under noise and shots
	$(BIN)/python -m benchmarks.caption_noise

# A clone of PennyLane at the tag of the installed release; without one only PennyLane's suite for devices is run.
pennylane-suite: $(READY) ## Run PennyLane's tests on qproj.statevector: make pennylane-suite PENNYLANE=DIR
	$(BIN)/python tests/suite/pennylane_suite.py $(PENNYLANE)

# TensorFlow Quantum pins an old TensorFlow, NumPy and Cirq. Python 3.10 to 3.12.
TFQ := .tfq
$(TFQ)/.ready:
	$(PYTHON) -m venv $(TFQ)
	$(TFQ)/bin/python -m pip install -q --disable-pip-version-check tensorflow==2.18.1 'tf-keras~=2.18.0' cirq-core==1.5.0 tensorflow-quantum==0.7.6
	@touch $@

tfq: $(READY) $(TFQ)/.ready ## Compare with TensorFlow Quantum, in an environment of its own, .tfq
	$(BIN)/python -m tests.tfq.cases > $(TFQ)/cases.json
	TF_USE_LEGACY_KERAS=1 TF_CPP_MIN_LOG_LEVEL=3 $(TFQ)/bin/python tests/tfq/check.py $(TFQ)/cases.json

lint: $(READY) ## Check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## Check types
	$(BIN)/mypy

check: lint types test ## All that CI runs

docs: $(RUNS) ## Write docs/cli.md anew from the help pages
	$(BIN)/python -m hybrid.cli.reference > docs/cli.md

train: $(RUNS) ## Train the bundled model anew, into runs/scenes-mini
	$(BIN)/hybrid train --preset scenes-mini

bundle: $(RUNS) ## Ship the model of the last training run
	$(BIN)/python -m hybrid.training.bundle runs/scenes-mini

clean: ## Remove the environment and what tools left
	rm -rf $(VENV) .matrix $(TFQ) dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
