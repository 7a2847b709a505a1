# Every target sets up .venv first when it has to; `make help` lists them.
# VENV= (empty) uses PYTHON as it is: for a machine that has the packages already.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(if $(VENV),$(BIN)/python,$(PYTHON))
READY := $(if $(VENV),$(VENV)/.ready)
ARGS ?=
REV ?= HEAD

# Tests start many processes: without compiled files each would compile gan_cli again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help train test test-slow test-long golden lint format type check bench gpu gpu-wheels claims versus docs tensorboard clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

train: $(VENV)/.ready  ## train with the defaults; ARGS="loss=wgan dataset=mnist" overrides them
	$(BIN)/gan-train $(ARGS)

test: $(VENV)/.ready  ## run the default tests (4 to 10 minutes); ARGS="-k resume" selects
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(VENV)/.ready  ## run the slow tests (10 to 30 minutes)
	$(BIN)/python -m pytest -m slow $(ARGS)

test-long: $(VENV)/.ready  ## run the longest tests, which CI leaves out (10 to 30 minutes)
	$(BIN)/python -m pytest -m long $(ARGS)

golden: $(VENV)/.ready  ## compare short runs with those of another commit, bit by bit: REV=<commit>
	$(BIN)/python -m tests.golden --rev $(REV) $(ARGS)

lint: $(VENV)/.ready  ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.ready  ## rewrite files in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(VENV)/.ready  ## check types (mypy, strict)
	$(BIN)/mypy

check: lint type test  ## everything that has to pass before a commit lands

bench: $(VENV)/.ready  ## compare training speed with a plain loop (a quarter of an hour); ARGS="--rows mlp_wgan"
	$(BIN)/python benchmarks/speed.py $(ARGS)

gpu: $(READY)  ## try and measure the CUDA code on a GPU (eight minutes); ARGS="--dry", ARGS="--only probes"; VENV= uses PYTHON
	$(RUN) -m benchmarks.gpu $(ARGS)

gpu-wheels: $(READY)  ## collect in .gpu_wheels/ what a machine with a GPU and no network lacks; ARGS="--python 3.12"
	$(RUN) -m benchmarks.gpu.wheels $(ARGS)

claims: $(VENV)/.ready  ## rerun docs/claims.md (half an hour); FAST=1: one seed; ARGS="--only jsd_saturates"
	$(BIN)/python -m benchmarks.claims $(if $(FAST),--seeds 1) $(ARGS)

versus: $(VENV)/.ready  ## rerun docs/comparisons.md (an hour); ARGS="--rewrite" only rewrites the page
	$(BIN)/python -m benchmarks.versus $(ARGS)

docs: $(VENV)/.ready  ## build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build --strict $(ARGS)

tensorboard: $(VENV)/.ready  ## look at all runs below outputs/
	$(BIN)/tensorboard --logdir outputs

clean:  ## remove the environment, caches and builds, but no outputs
	rm -rf $(VENV) build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find gan_cli tests -name __pycache__ -type d -exec rm -rf {} +

# The stamp file stands for an environment that is complete and up to date.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	@touch $@
