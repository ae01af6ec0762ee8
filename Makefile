# The workbench's commands. `make lab` and `make test` need only Python 3.11 or newer, git and make.
# NB names a notebook; its number is enough: NB=01.
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
WORKBENCH := $(BIN)/python -m lib.course.commands

NB ?=
MINUTES ?=
ALL ?=
JOBS ?= 2
SCALE ?= laptop
SEED ?= 0
SEEDS ?= 0 1 2 3 4
NAMES ?=
BASE ?=
RETRAIN ?=
ARGS ?=
LAB_ARGS ?=

# What is given as a variable is text, never a command: make does not expand it, and the shell finds it in its
# environment, where it does not read it either.
GIVEN := NB MINUTES ALL JOBS SCALE SEED SEEDS NAMES BASE RETRAIN ARGS LAB_ARGS
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)
# Python with the words of ARGS behind the others; quotes in it hold words together, as in a shell.
WITH_ARGS := $(BIN)/python -c 'import os, shlex, sys; \
	os.execv(sys.executable, [sys.executable, *sys.argv[1:], *shlex.split(os.environ["ARGS"])])'

# Jupyter refuses to start as root unless told; inside a container one often is.
AS_ROOT := $(if $(filter 0,$(shell id -u 2>/dev/null)),--allow-root)
# A thread that waits spins for microseconds, then sleeps. GNU OpenMP's own choice, to spin for milliseconds, makes two
# programs on two cores ten times slower; not to spin at all makes one program twice as slow.
export GOMP_SPINCOUNT ?= 10000
# Two test processes share two cores: one thread each.
TEST_THREADS := OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup lab real fresh run test store validate evidence tune bench bases links verdicts scoreboard student wheelhouse clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

setup: ## create or complete .venv with the tested versions (every command does this first)
	@$(PYTHON) -I lib/course/install.py

lab: setup ## open your working copies of the notebooks (work/) in JupyterLab
	@$(WORKBENCH) lab --arguments="$(AS_ROOT) $$LAB_ARGS"

real: setup ## bring two real pretrained models (180 MB) for the "For real" cells
	@$(BIN)/python -m lib.course.real_models

fresh: setup ## put one working copy back as the course has it, and keep yours beside it: NB=01
	@$(WORKBENCH) fresh "$$NB"

run: setup ## run one notebook headless: NB=01 SCALE=laptop SEED=0 ARGS="-p key value"
	@$(WITH_ARGS) -m lib.course.commands run "$$NB" --scale "$$SCALE" --seed "$$SEED"

test: setup ## check style, then run every test and every notebook at smoke scale
	$(BIN)/ruff check lib kernels tests notebooks
	$(BIN)/ruff format --check lib kernels tests notebooks
	WORKBENCH_CACHE=off $(TEST_THREADS) $(WITH_ARGS) -m pytest -n 2 --dist loadgroup --durations 5

store: setup ## execute one notebook in place for the repository, at laptop scale with seed 0: NB=01
	@WORKBENCH_CACHE=off $(WORKBENCH) store "$$NB"

validate: setup ## run what changed against its stored outputs, claims against evidence: NB=01, ALL=1, MINUTES=45
	@WORKBENCH_CACHE=off $(WORKBENCH) validate "$$NB" --minutes "$$MINUTES" --all "$$ALL" --jobs "$$JOBS"

evidence: setup ## run one notebook per seed and record its claims: NB=01 SEEDS="0 1 2 3 4" SCALE=laptop
	@WORKBENCH_CACHE=off $(WORKBENCH) evidence "$$NB" --seeds "$$SEEDS" --scale "$$SCALE"

tune: setup ## measure a notebook's learning rates and other settings: NB=01 NAMES="tasks,text"
	@$(WORKBENCH) tune "$$NB" --scale "$$SCALE" --names "$$NAMES"

bench: setup ## race the kernels and models against their peers: ARGS="scan norms" for some subjects
	@$(WITH_ARGS) -m tests.benchmarks

bases: setup ## train the pretrained models of data/bases whose recipe changed: BASE=skills for one, RETRAIN=1 anyway
	@$(WORKBENCH) bases "$$BASE" --retrain "$$RETRAIN"

links: setup ## write the links between the notebooks: NB=01 for one
	@$(WORKBENCH) links "$$NB"

verdicts: setup ## write what stored notebooks say of the evidence anew, without running them: NB=01 for one
	@$(WORKBENCH) verdicts "$$NB"

scoreboard: setup ## write the README's table from the notebooks and the evidence
	@$(WORKBENCH) scoreboard

student: setup ## copy the notebooks to build/student without solutions
	@$(WORKBENCH) student

wheelhouse: ## gather all packages in build/wheelhouse, for WORKBENCH_WHEELHOUSE=folder make lab without a network
	@$(PYTHON) -I lib/course/install.py wheelhouse

clean: ## remove build, data/cache and the tools' caches (.venv and work stay)
	@rm -rf build data/cache .pytest_cache .ruff_cache .hypothesis .coverage htmlcov *.egg-info
	@find lib kernels tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
