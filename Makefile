# The doors of the course. `make` alone lists them; CI calls the same ones as you do.
# Needed: make, git and a Python from 3.11 on. To choose the Python: make study PYTHON=python3.13
# Three processes test side by side (on two cores: a third of a test is waiting); in more, or one: make test WORKERS=4, WORKERS=0

PYTHON ?= python3
VENV   ?= .venv
UV     ?= uv
WORKERS ?= 3
PY     := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
READY  := $(VENV)/.ready
SAY    := @printf '== %s\n'

.DELETE_ON_ERROR:
.PHONY: help study check test test-pythons nbval lint bench labs store lock wheels node chromium clean

help:  ## list the doors
	@sed -n 's/^\([a-z-]*\):[^#]*## /make \1	/p' $(MAKEFILE_LIST) | expand -t 20

study: $(READY)  ## create what is missing, then open JupyterLab on the course
	@exec $(PY) -m midspan study $(if $(START),--start $(START)) -- $(ARGS)

check: $(READY)  ## whether an edit is right, in a minute and a half: lint, and the tests it reaches (BASE=main, SECONDS=120)
	@$(PY) -m tests.check --workers $(WORKERS) $(if $(BASE),--base $(BASE)) $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

test: $(READY) chromium node lint  ## create what is missing, then pass every test (ARGS="-k frames" picks some)
	$(SAY) "Compiling to bytecode (each kernel starts faster), then every test and every notebook"
	@$(PY) -m compileall -q src tests
	@$(PY) -m tests.cores .cores
	$(PY) -m pytest -n $(WORKERS) --dist loadfile --nbval tests notebooks solutions .cores $(ARGS)

test-pythons: | $(PY)  ## notebooks, solutions and labs on each other Python found here (PYTHONS="python3.13" names them)
	@$(PY) tests/pythons.py --tested $(PY) --workers $(WORKERS) --pythons "$(PYTHONS)"

nbval: $(READY)  ## run the notebooks and compare them with their stored outputs
	@$(PY) -m tests.cores .cores
	$(PY) -m pytest --nbval notebooks solutions .cores $(ARGS)

lint: $(READY)  ## ruff, mypy --strict, and the contracts between the layers
	$(SAY) "Style, types, layers"
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(dir $(PY))lint-imports --no-cache --no-logo

bench: $(READY) node  ## what the guarantees cost, measured against python-socketio in under five minutes (ARGS=--readme)
	$(SAY) "Measuring on this machine; the tables and a picture go to results/"
	@$(PY) -m midspan bench $(ARGS)

labs: $(READY)  ## write labs/ again from solutions/
	$(PY) -m midspan labs

store: $(READY)  ## run notebooks and keep their outputs (FILES="notebooks/01_framing.ipynb" picks some)
	$(PY) -m midspan store $(or $(FILES),$(sort $(wildcard notebooks/*.ipynb solutions/*.ipynb)))

lock:  ## pin every version again, with hashes; needs uv (ARGS=--upgrade takes the newest)
	$(SAY) "Reading pyproject.toml, writing requirements.lock"
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra build --extra teach --extra test --python-version 3.11 $(ARGS) pyproject.toml -o requirements.lock
	@$(MAKE) --no-print-directory wheels

wheels:  ## ask whether each pin has a wheel for Linux, macOS (Apple's processors) and Windows; needs uv, installs nothing
	@for system in linux macos windows; do for python in 3.11 3.12 3.13; do \
	  $(UV) pip install --quiet --dry-run --require-hashes --only-binary :all: --python-platform $$system \
	    --python-version $$python --target .venvs/none --requirement requirements.lock || exit 1; \
	  echo "== Every pin has a wheel for $$system, Python $$python"; done; done; rm -r .venvs/none

node: node_modules/.package-lock.json  ## install the JavaScript Socket.IO (chapter 02's page, and a peer for tests)

clean:  ## remove the environments and the caches; your own work stays
	rm -rf $(VENV) .venvs .cores node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +

# The environment follows the lock: it is brought up to date when the lock, or what the package says of itself, changes.
# A Python is needed to make it; to bring it up to date, its own will do.
$(READY): requirements.lock pyproject.toml $(wildcard jupyter/*.json jupyter/*/*.json jupyter/*/*/*.json)
	@test -x $(PY) || $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "The course needs Python 3.11 or newer, but $(PYTHON) says: $$($(PYTHON) --version 2>&1 | head -1). Install one and name it: make study PYTHON=python3.13"; exit 1; }
	@test -x $(PY) || $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) came without venv or ensurepip, which make the environment. On Debian and Ubuntu, as root: apt-get install python3-venv"; exit 1; }
	@base=$(PY); test -x $$base || base=$(PYTHON); $$base install.py $(VENV)
	@touch $@

# Node's packages are for those who have Node. What needs them says so where they are absent.
node_modules/.package-lock.json: package.json package-lock.json
	@if ! command -v npm >/dev/null; then echo "== No npm here: what needs the JavaScript Socket.IO is skipped"; \
	elif npm ci --silent && touch $@; then echo "== The JavaScript Socket.IO is in node_modules"; \
	else echo "== npm ci failed: what needs the JavaScript Socket.IO is skipped"; fi

# The browser test needs a Chromium. We install Debian's where we may; elsewhere that test is skipped and says why.
chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && grep -qsx ID=debian /etc/os-release; then \
	  echo "== No Chromium here: installing Debian's for the browser test"; \
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium >/dev/null; } \
	  || echo "== That failed: the browser test will be skipped"; \
	else echo "== No Chromium here: the browser test will be skipped"; fi
