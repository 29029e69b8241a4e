# Every target sets up what it needs: a second call of `make setup` takes no noticeable time.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:

HOSTS ?= 2
# Each worker has a lab of its own; WORKERS=0 runs everything in one process. No more than there are processors on the
# smallest machine: an emulated machine that is slow to boot is taken for one that hangs
WORKERS ?= 2
PYTEST_ARGS ?=
# In a process of their own: they work in a mount namespace that the lab must not be in.
ELSEWHERE = --ignore=tests/integration/overlay --ignore=tests/integration/fleet
# Two halves, and not two workers: what is tested forks, which a process with the threads of pytest-xdist must not do.
OVERLAY = $(PY) -m pytest -q tests/integration/overlay
OVERLAY_TESTS = "$(OVERLAY)/test_[d-k]*.py" "$(OVERLAY)/test_[a-cl-z]*.py"
# Thirty hosts at once need both processors for themselves; the rest of the fleet tests is for `make test-fleet`
FLEET_TESTS = $(PY) -m pytest tests/integration/fleet/test_thirty.py -q -m "not slow"
# Each group of tests goes to one worker, because its machines are made from one another's states
GROUPED = $(PY) -m pytest -n $(WORKERS) --dist loadgroup
TEST_VM = $(GROUPED) tests/vm
# What takes longest first, so that no worker is left alone with it at the end
EVERYWHERE = tests/vm tests/conformance tests/integration $(ELSEWHERE) tests/contract tests/fuzz tests/model tests/unit
PY := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:/usr/local/sbin:/usr/sbin:/sbin:$(PATH)

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what is missing on this machine, and the tools into .venv
	@scripts/setup

.PHONY: link
link: ## let Ansible find overc.system in this clone; needs no root, installs nothing
	@mkdir -p .collections/ansible_collections/overc
	@ln -sfn ../../.. .collections/ansible_collections/overc/system

.PHONY: demo
demo: setup ## upgrade, break and roll back real hosts, and explain it
	@$(PY) -m tests.demo

.PHONY: test
test: export OVERC_VARIANTS := some
test: setup ## unit and integration tests, and today's part of the real boots
	@scripts/at-once $(OVERLAY_TESTS) "$(PY) -m tests.images"
	@$(FLEET_TESTS)
	@$(GROUPED) $(EVERYWHERE) $(PYTEST_ARGS)

.PHONY: test-unit
test-unit: setup ## only what needs no lab: seconds
	@$(PY) -m pytest tests/unit tests/model $(PYTEST_ARGS)

.PHONY: test-integration
test-integration: setup ## only what needs real hosts
	@scripts/at-once $(OVERLAY_TESTS)
	@$(PY) -m pytest -n $(WORKERS) tests/integration $(ELSEWHERE) $(PYTEST_ARGS)

.PHONY: test-crash
test-crash: setup ## kill the host's commands at every point there is; writes the table of docs/reliability.md
	@rm -f build/crash-results.jsonl
	@OVERC_SAMPLE=all $(PY) -m pytest -n $(WORKERS) $(addprefix tests/integration/test_crash,.py _automatic.py _package_managers.py _deployments.py _snapper.py) $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,PYTHONPATH=.collections $(PY) -m tests.integration.crash_table)

.PHONY: test-model
test-model: setup ## every state that commands, kills, power cuts and choices lead to, to the end: minutes
	@OVERC_SAMPLE=all $(PY) -m pytest -n $(WORKERS) tests/model -rP $(PYTEST_ARGS)

.PHONY: test-fleet
test-fleet: setup ## roles, playbooks, pull mode and Molecule on lab hosts, up to 30 at once: half an hour
	@$(PY) -m pytest tests/integration/fleet $(PYTEST_ARGS)

.PHONY: molecule
molecule: setup ## the Molecule scenarios, on lab hosts of their own
	@molecule test --all --no-command-borders

.PHONY: fuzz
fuzz: setup ## hostile input for every parser, driver and module: 20,000 cases each; hours
	@OVERC_FUZZ_CASES=20000 $(PY) -m pytest -n $(WORKERS) tests/fuzz $(PYTEST_ARGS)
	@OVERLAY_EXAMPLES=2000 $(OVERLAY)/test_invariants.py
	@scripts/fuzz-guided 20000

.PHONY: test-vm
test-vm: setup ## real boots in virtual machines: today's part of them, and every power cut of one recorded upgrade
	@$(TEST_VM) $(PYTEST_ARGS)

.PHONY: test-vm-full
test-vm-full: setup ## all real boots, hours; writes the table of docs/reliability.md
	@rm -f build/vm-results.jsonl
	@OVERC_SAMPLE=all $(TEST_VM) $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,PYTHONPATH=.collections $(PY) -m tests.vm.report)

.PHONY: lab
lab: setup ## start hosts h1 ... hN and write .lab/inventory.yml (HOSTS=2)
	@$(PY) -m tests.lab up $(HOSTS)

.PHONY: lab-down
lab-down: setup ## remove the lab
	@$(PY) -m tests.lab down

.PHONY: bench bench-host bench-overlay bench-fleet
bench: setup ## measure all on a quiet machine, hours, and write docs/benchmarks.md; BENCH_ARGS=--smoke only tries it
	@scripts/setup bench
	@$(PY) -m bench.run $(BENCH_ARGS)

bench-host bench-overlay bench-fleet: setup # one part, to look at: writes no documentation
	@scripts/setup bench
	@$(PY) -m bench.run --only $(@:bench-%=%) $(BENCH_ARGS)

.PHONY: lint
lint: setup ## everything a reviewer's machine would complain about
	@ruff check --quiet .
	@ruff format --quiet --check .
	@mypy
	@yamllint --strict .
	@ansible-lint --offline -q
	@shellcheck scripts/setup scripts/at-once scripts/python-next scripts/fuzz-guided .ci/run
	@reuse lint --quiet || reuse lint
	@antsibull-docs lint-collection-docs --plugin-docs .

.PHONY: test-release
test-release: ## what only a release has to pass: every ansible-core, every Python of a host, Galaxy's own checks
	@scripts/setup release
	@OVERC_SAMPLE=all $(PY) -m pytest -n $(WORKERS) tests/conformance tests/release tests/contract \
		tests/integration/test_documented_examples.py tests/integration/test_host_states.py \
		tests/integration/test_release_upgrade.py tests/integration/test_debian_12_to_13.py $(PYTEST_ARGS)

.PHONY: docs
docs: ## the documentation site, from docs/ and the sources, into build/docs
	@scripts/setup release
	@$(PY) scripts/generate_docs.py
	@$(PY) scripts/build_docs.py

.PHONY: release
release: ## build what is published into build/release, install it elsewhere and use it from there
	@scripts/setup release
	@$(PY) -m pytest tests/release/test_artefact.py $(PYTEST_ARGS)
	@cd build/release && sha256sum *.tar.gz

.PHONY: clean
clean: ## remove the lab and everything that was made
	@if [[ -x $(PY) && -d .lab ]]; then $(PY) -m tests.lab gc && $(PY) -m tests.lab down; fi
	@rm -rf .venv .lab .cache build .pytest_cache .mypy_cache .ruff_cache .hypothesis
