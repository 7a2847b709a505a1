# Every target sets up .venv first when it has to, with what it needs; `make help` lists them.
# VENV= (empty) uses PYTHON as it is: for a machine that has the packages already.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(if $(VENV),$(BIN)/python,$(PYTHON))
# Stamps of an environment that is complete and up to date: for training, and with the tools of developers.
TRAIN_READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
GPU_READY := $(if $(VENV),$(DEV_READY))
# What is imported is compiled then: to compile all of torch, sympy and scipy beforehand takes half of the installation.
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt
ARGS ?=
REV ?= HEAD

# Tests start many processes: without compiled files each would compile gan_cli again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help train test test-portable test-slow test-long golden lint format type check bench gpu gpu-wheels claims versus docs tensorboard clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(TRAIN_READY)  ## train with the defaults; ARGS="loss=wgan dataset=mnist" overrides them
	$(BIN)/gan-train $(ARGS)

test: $(DEV_READY)  ## run the default tests (4 to 10 minutes); ARGS="-k resume" selects
	$(BIN)/python -m pytest $(ARGS)

test-portable: $(DEV_READY)  ## run the default tests without fcntl, resource, fork, signals and symbolic links
	$(BIN)/python -m pytest -p tests.pretended_system.plugin $(ARGS)

test-slow: $(DEV_READY)  ## run the slow tests (10 to 30 minutes)
	$(BIN)/python -m pytest -m slow $(ARGS)

test-long: $(DEV_READY)  ## run the longest tests, which CI leaves out (10 to 30 minutes)
	$(BIN)/python -m pytest -m long $(ARGS)

golden: $(DEV_READY)  ## compare short runs with those of another commit, bit by bit: REV=<commit>
	$(BIN)/python -m tests.golden --rev $(REV) $(ARGS)

lint: $(DEV_READY)  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(DEV_READY)  ## rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(DEV_READY)  ## check types (mypy, strict)
	$(BIN)/mypy

check: lint type test  ## everything that has to pass before a commit lands

bench: $(TRAIN_READY)  ## compare training speed with a plain loop (a quarter of an hour); ARGS="--rows mlp_wgan"
	$(BIN)/python benchmarks/speed.py $(ARGS)

gpu: $(GPU_READY)  ## try and measure the CUDA code on a GPU (eight minutes); ARGS="--dry", ARGS="--only probes"; VENV= uses PYTHON
	$(RUN) -m benchmarks.gpu $(ARGS)

gpu-wheels: $(GPU_READY)  ## collect in .gpu_wheels/ what a machine with a GPU and no network lacks; ARGS="--python 3.12"
	$(RUN) -m benchmarks.gpu.wheels $(ARGS)

claims: $(DEV_READY)  ## rerun docs/claims.md (half an hour); FAST=1: one seed; ARGS="--only jsd_saturates"
	$(BIN)/python -m benchmarks.claims $(if $(FAST),--seeds 1) $(ARGS)

versus: $(DEV_READY)  ## rerun docs/comparisons.md (an hour); ARGS="--rewrite" only rewrites the page
	$(BIN)/python -m benchmarks.versus $(ARGS)

docs: $(DEV_READY)  ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --strict $(ARGS)

tensorboard: $(TRAIN_READY)  ## look at all runs below outputs/; LOGDIR=DIR: at those below another folder
	@echo "Open http://localhost:6006/#custom_scalars (questions to a run) or http://localhost:6006/#hparams (runs compared)"
	$(BIN)/tensorboard --logdir $(or $(LOGDIR),outputs) --samples_per_plugin images=1000

clean:  ## remove the environment, caches and builds, but no outputs
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find gan_cli tests -name __pycache__ -type d -exec rm -rf {} +

$(TRAIN_READY): pyproject.toml constraints.txt
	@echo "installing torch and what else training needs into $(VENV) (with CUDA some gigabytes)"
	@$(PYTHON) -m venv $(VENV)
	@$(INSTALL) -e .
	@touch $@

$(DEV_READY): $(TRAIN_READY)
	@echo "installing what tests, sweeps, exports and tools need into $(VENV)"
	@$(INSTALL) -e ".[dev]"
	@touch $@
