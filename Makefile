# make quickstart   set up, run a real sweep on this machine, end with a report and a chosen configuration
# make test         set up, run the whole gate, its tests in two processes (WORKERS=1 for one; CASES for some of them)
# make check        format, lint, types and import floors alone
# make test-slow    the tests that take minutes
# make test-sweeps  further whole sweeps on a Ray of this machine: kills, several in one file, the command line from spec to report
# make test-hosts   the tests on several hosts, made of namespaces; needs root, iproute2 and util-linux
# make test-gpu     the tests and the table for a GPU; says so and ends well where there is none
# make test-servers the tests with an MLflow server on PostgreSQL, whose programs it needs
# make bench        short forms of the benchmarks, 20 minutes at most, with one table at the end
# make bench-long   every benchmark that needs no arguments, in full; hours
# make bench-search searchers side by side on known landscapes, Syne Tune's among them; hours

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CASES ?=
WORKERS ?= 2
WITH_ARGUMENTS := make_table paper_tables gpu sparse_models
BENCHMARKS := $(filter-out short $(WITH_ARGUMENTS),$(basename $(notdir $(wildcard benchmarks/*.py))))
ARMS ?= random nsga2-50 nsga2-12 tpe tpe-group ray ray-asha mo-asha mo-asha-mended informed ours-tpe ours-front ours-front+halving

.PHONY: quickstart test check test-slow test-sweeps test-hosts test-gpu test-servers bench bench-long bench-search clean

$(READY): pyproject.toml constraints.txt packaged.txt
	@command -v $(PYTHON) >/dev/null || { echo "needs $(PYTHON) (3.11 to 3.13): install it, or say make PYTHON=..." >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r packaged.txt
	touch $@

quickstart: $(READY)
	$(BIN)/deft-sweeps run search_spaces/quickstart.yaml --resume

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(CASES)

test-slow: $(READY)
	$(BIN)/pytest -m slow

test-sweeps: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m 'sweeps and not slow' tests/e2e tests/integration tests/unit/benchmarks

test-hosts: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m hosts tests/hosts

test-gpu: $(READY)
	@if $(BIN)/python -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then \
	  $(BIN)/pytest -m gpu && $(BIN)/python -m benchmarks.gpu --out gpu.md && echo "written: gpu.md"; \
	else echo "no GPU is to be had here: nothing was run"; fi

test-servers: $(READY)
	$(BIN)/pytest -m servers tests/servers

bench: $(READY)
	$(BIN)/python -m benchmarks.short

bench-long: $(READY)
	@for script in $(BENCHMARKS) makespan; do echo "== $$script"; $(BIN)/python -m benchmarks.$$script || exit 1; done
	@echo "left out, since they need arguments: $(WITH_ARGUMENTS); benchmarks/README.md has their commands"

bench-search: $(READY)
	$(BIN)/python -m benchmarks.search --install-synetune --arms $(ARMS) --seeds 20

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
