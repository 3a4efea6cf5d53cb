# Everything runs in a virtual environment that this file makes: nothing but python3 (3.11+) and make is needed.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

help:  ## Show this help
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Lading needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { \
		echo "python3 can not make virtual environments here (on Debian: apt install python3-venv)"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.dev  ## Make the virtual environment with everything in it

demo: $(VENV)/.runtime  ## An API server, a scheduler and all of Lading, and a story of pods and volumes
	$(BIN)/lading demo

test: $(VENV)/.dev  ## All tests (TESTS=path -k ... for some)
	$(BIN)/python -m pytest $(TESTS)

fuzz: $(VENV)/.dev  ## Random clusters judged by the extender and by kube-scheduler's own plugins (COUNT=n SEED=n)
	$(BIN)/python -m tests.extender.fuzz $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

controlplane: $(VENV)/.dev  ## Find or build the servers and the kubectl that the tests run (they do it themselves)
	$(BIN)/python -m tests.controlplane build

check: $(VENV)/.dev  ## What CI checks besides the tests: format, lint, types, layers, pins
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pip check --disable-pip-version-check

bench: $(VENV)/.dev  ## Ratios against a floor or a peer, each measured in one run
	$(BIN)/python -m bench

soak: $(VENV)/.dev  ## Claims in waves on a real API server while leading controllers are killed (MINUTES=n)
	$(BIN)/python -m tests.soak.binding $(if $(MINUTES),--minutes $(MINUTES))

soak-scheduling: $(VENV)/.dev  ## Pods in waves on a cluster too small for them while leading extenders are killed (MINUTES=n)
	$(BIN)/python -m tests.soak.scheduling $(if $(MINUTES),--minutes $(MINUTES))

soak-csi: $(VENV)/.dev  ## Volumes of a CSI driver come and go while it and its sidecar are killed (MINUTES=n)
	$(BIN)/python -m tests.soak.csi $(if $(MINUTES),--minutes $(MINUTES))

csi-upstream: $(VENV)/.dev  ## The sidecar beside Kubernetes' own hostpath driver, built by hand (DRIVER=path)
	$(BIN)/python -m tests.csi_live.upstream --driver $(DRIVER)

pins: $(VENV)/.dev  ## Renew the pinned requirements from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra build -o requirements.txt pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --extra dev -o requirements-dev.txt pyproject.toml

clean:  ## Remove what the targets above made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info

.PHONY: help setup demo test fuzz controlplane check bench soak soak-scheduling soak-csi csi-upstream pins clean
