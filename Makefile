# What CI runs is what a person runs. `make demo` and `make test` need only Python 3.11+ and make.
#
#   make demo    recognise the expression in a real portrait, in an environment without PyTorch
#   make test    all tests, the quick ones first
#   make check   format, lint, import contracts, types, and the quick tests
#   make setup   both environments, nothing else
#   make bench   the benchmarks, side by side with what they compare to
#   make results write the rows in results/ into the READMEs, the leaderboard, docs/studies.md and the model card
#   make format  let ruff format the code and mend what it can
#   make clean   remove the environments and everything that can be made again

# Two environments, so that the one that recognises shows that it needs no PyTorch.
# To use one that you have: make check DEV_VENV=/path/to/venv
DEMO_VENV ?= .venv
DEV_VENV ?= .venv-dev
OUT ?= out

PIP_FLAGS := --quiet --disable-pip-version-check -c constraints.txt
# The first of these that is new enough makes the environments; PYTHON=… overrides the search.
PYTHONS := $(or $(PYTHON),python3 python python3.14 python3.13 python3.12 python3.11)
DEMO_READY := $(DEMO_VENV)/.ready-for-demo
DEV_READY := $(DEV_VENV)/.ready-for-dev
BIN := $(DEV_VENV)/bin
# Tests at the same time. Many wait for a server, a browser or a clock: four keep two cores busy.
JOBS ?= 4
PYTEST := $(BIN)/pytest -q -n $(JOBS) --dist worksteal

.PHONY: help setup demo test check static quick slow format bench results clean
help:
	@sed -n 's/^#   //p' Makefile

setup: $(DEMO_READY) $(DEV_READY)

demo: $(DEMO_READY)
	@portrait=$$($(DEMO_VENV)/bin/python -c "$$FIND_PORTRAIT") && \
	$(DEMO_VENV)/bin/mien predict "$$portrait" --annotate $(OUT) && \
	echo "The annotated picture is $(OUT)/astronaut.png. Try your own: $(DEMO_VENV)/bin/mien predict photo.jpg"

test: quick slow

check: static quick

static: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

quick: $(DEV_READY)
	$(PYTEST)

slow: $(DEV_READY)
	$(PYTEST) -m "slow and not gpu and not network"

format: $(DEV_READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The programs that are left out measure a data set, which they must be given, or run for minutes: call them yourself.
BENCHES := $(filter-out $(addprefix benchmarks/,crop_margin.py faces_end_to_end.py finetuning.py peers.py peer_networks.py \
	quality_thresholds.py tfjs.py classroom_load.py classroom_states.py service.py),$(wildcard benchmarks/*.py))
bench: $(DEV_READY)
	@for script in $(BENCHES); do echo "== $$script"; $(BIN)/python $$script || exit 1; done

results: $(DEV_READY)
	@$(BIN)/python -c "$$WRITE_RESULTS"
	@$(BIN)/mien leaderboard --write docs/leaderboard.md >/dev/null
	@$(BIN)/mien card

clean:
	rm -rf .venv .venv-dev build dist out .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# find_spec tells where scikit-image lies without importing it or its data downloader.
define FIND_PORTRAIT
import importlib.util, pathlib
package = pathlib.Path(importlib.util.find_spec("skimage").origin).parent
print(package / "data" / "astronaut.png")
endef
export FIND_PORTRAIT

define WRITE_RESULTS
from pathlib import Path
from mien.evaluation.leaderboard import insert_table, results_table
from mien.studies.document import studies_document
for readme in (Path("README.md"), Path("README.ko.md")):
    text = readme.read_text(encoding="utf-8")
    readme.write_text(insert_table(text, results_table(Path("results"))), encoding="utf-8")
Path("docs/studies.md").write_text(studies_document(Path("results/studies")), encoding="utf-8")
endef
export WRITE_RESULTS

# pip installs again only when what it would install has changed.
$(DEMO_READY): pyproject.toml constraints.txt | $(DEMO_VENV)/bin/python
	@echo "Installing what recognising needs into $(DEMO_VENV) …"
	@$(DEMO_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[sample]'
	@touch $@

$(DEV_READY): pyproject.toml constraints.txt | $(DEV_VENV)/bin/python
	@echo "Installing what developing needs into $(DEV_VENV), PyTorch among it: a few minutes …"
	@$(DEV_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	@touch $@

%/bin/python:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    $$python -m venv $* && exit 0; \
	    echo "$$python cannot make an environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; \
	    rm -rf $*; exit 1; \
	  fi; \
	done; \
	echo "mien needs Python 3.11 or newer; none of these is: $(PYTHONS). Name one with: make PYTHON=/path/to/python" >&2; \
	exit 1
