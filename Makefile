# Every target sets itself up: a private virtual environment with the bundled ffmpeg, so that Python 3.11 is all it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: run test check bench torture clean

run: $(READY)
	@$(BIN)/twist --log-format=text transcoded $(if $(MEDIA),--media "$(MEDIA)",--demo) $(ARGS)

# Many tests wait rather than work, so three workers suit two cores. Without bytecode files each worker and each daemon would
# compile everything anew.
test: $(READY)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@.ci/check-javascript

bench: $(READY)
	@$(BIN)/python -m benchmarks $(ARGS)

torture: $(READY)
	@$(BIN)/python -m benchmarks.torture $(ARGS)

clean:
	rm -rf $(VENV) node_modules tests/browser/node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml
	@echo "Setting up $(VENV) (once; about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit("transcoded needs Python 3.11 or later, this is %d.%d" % sys.version_info[:2]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[ffmpeg]' --group dev
	@touch $@
