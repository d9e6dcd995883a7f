# `make run` and `make test` are all the set-up there is. The others measure, or are for those who change Comity.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?=

.DEFAULT_GOAL := help
.PHONY: help run test test-full lint lock replay latency memory bench fuzz chaos chaos-full secrets test-alerts test-classifier \
  test-compose card clean

help: ## Say what there is
	@sed -n 's/^\([a-z][a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

run: $(VENV)/run $(BIN)/comity ## Start everything; Ctrl-C stops it
	@exec $(BIN)/python -m service run

test: $(VENV)/test ## Run every test, on real servers, two suites at a time
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder

lint: $(VENV)/test ## Check style, types, imports and migrations
	@$(BIN)/python -m pytest -q tests/test_lint.py tests/test_architecture.py tests/test_docs.py

replay: $(VENV)/run ## Send DATA=FILE.jsonl through the running service (SITES=10 for ten sites)
	@test -n "$(DATA)" || { echo "Say which file: make replay DATA=FILE.jsonl"; exit 64; }
	@$(BIN)/python -m tools.replay "$(DATA)" --sites $(or $(SITES),1)

latency: $(VENV)/run ## Measure the time from POST to published at 50 comments a second
	@$(BIN)/python -m tools.latency

memory: $(VENV)/run ## Show the memory (PSS) of every process of `make run`
	@$(BIN)/python -m tools.memory

bench: $(VENV)/run ## Measure beside baselines, ten minutes; writes docs/performance.md
	@$(BIN)/python -m tools.bench --page docs/performance.md

fuzz: $(VENV)/test ## Send 10,000 requests made from the OpenAPI document
	@$(BIN)/python -m tests.fuzz --requests 10000

chaos: $(VENV)/test ## Hurt the service in every way, a tenth of the full size: 45 minutes at most
	@$(BIN)/python -m tests.lab --factor 0.1 --all --mutants

chaos-full: $(VENV)/test ## The same at full size, for hours, going on where it was stopped; writes docs/reliability.md
	@$(BIN)/python -m tests.lab --factor 1 --all --mutants --keep var/chaos-full.json --page docs/reliability.md

card: $(VENV)/run ## Measure the models on DATA=DIR and write their cards, an hour
	@test -n "$(DATA)" || { echo "Say which data: make card DATA=DIR"; exit 64; }
	@$(BIN)/python -m classifier card --data "$(DATA)"

test-classifier: $(VENV)/test ## Score a million random texts, and hold speed and size to their limits
	@$(BIN)/python -m pytest -s tests/classifier/proof.py

test-full: $(VENV)/test ## Run the faults of `make run` at full length (20 times each)
	@COMITY_TEST_FULL=1 $(BIN)/python -m pytest tests/faults tests/service/test_embedded.py tests/service/test_supervisor.py

secrets: ## Make the secret files of docker-compose.yml, once
	@docker/make-secrets

test-compose: $(VENV)/test ## Build the containers, kill each under load, count every comment (needs Docker)
	@$(BIN)/python -m pytest -s tests/compose/proof.py

test-alerts: $(VENV)/test ## Fire every alert, and compare with what Prometheus says of it (needs promtool)
	@$(BIN)/python -m pytest -s tests/operator/proof.py

lock: ## Pin the newest versions of all packages, with hashes
	@$(PYTHON) -m venv $(VENV)-lock && $(VENV)-lock/bin/pip install -q uv
	@$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements.txt requirements.in
	@$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --upgrade -o requirements-dev.txt requirements-dev.in
	@$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -o requirements-serve.txt requirements-serve.in
	@$(VENV)-lock/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header -o requirements-tier2.txt requirements-tier2.in
	@rm -rf $(VENV)-lock

clean: ## Forget the virtual environment and caches (data stay)
	rm -rf $(VENV) .pytest_cache .hypothesis .mypy_cache .ruff_cache

$(VENV)/made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Comity needs Python 3.11 or later. Say where it is: make run PYTHON=/path/to/python3.12"; exit 69; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: on Debian, apt-get install python3-venv"; exit 69; }
	@touch $@

$(VENV)/run: $(VENV)/made requirements.txt
	@echo "Installing what requirements.txt pins (once; a minute or two) ..."
	@$(BIN)/python -m tools.install requirements.txt
	@touch $@

$(BIN)/comity: tools/comity $(VENV)/made
	@install -m 755 tools/comity $@

$(VENV)/test: $(VENV)/run $(BIN)/comity requirements-dev.txt
	@echo "Installing what requirements-dev.txt pins, for the tests ..."
	@$(BIN)/python -m tools.install requirements-dev.txt
	@touch $@
