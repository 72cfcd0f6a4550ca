# Needs nothing but Python >= 3.11, pip and make: each target sets up what it uses.
.DEFAULT_GOAL := help
.PHONY: help demo serve db migrate revision entity test faults readme bench check format lock clean

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(PYTHON) tools/dev/install.py

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: .venv/.run ## a visible tour on real PostgreSQL (embedded, or DATABASE_URL)
	@$(BIN)/python -m app demo

serve: .venv/.run ## the API on http://127.0.0.1:8000/docs, on a private PostgreSQL or DATABASE_URL
	@$(BIN)/python -m app serve $(args)

db: .venv/.run ## a private PostgreSQL with kept data, until Ctrl-C; the targets below use it without DATABASE_URL
	@$(BIN)/python -m tools.dev.database start

migrate: .venv/.run ## alembic upgrade head on DATABASE_URL or the private PostgreSQL
	@$(BIN)/python -m tools.dev.database migrate

revision: .venv/.dev ## a new revision from the models, on a database at head: make revision m="add the due date"
	@$(BIN)/python -m tools.dev.database revision "$(m)"

entity: .venv/.dev ## begin a new entity as a copy of the tasks, see docs/entity.md: make entity name=Note
	@$(BIN)/python -m tools.dev.entity "$(name)"

test: .venv/.dev ## every test on all cores, and coverage of app of at least 95 %; some of them: make test args=tests/unit
ifdef args
	@$(BIN)/python -m pytest $(args)
else
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
endif

bench: .venv-bench/.bench ## measure against drivers, ORMs and chat histories; fails when a budget is over
	@.venv-bench/bin/python -m benchmarks $(args)

faults: .venv/.dev ## write docs/faults.md and the table of docs/neon.md from the tests
	@$(BIN)/pytest --collect-only -qq --faults-page=docs/faults.md tests >/dev/null
	@$(BIN)/python -m tests.support.neon_page

readme: .venv/.dev ## renew what README.md shows: the pictures of demo and doctor, the tables of settings
	@$(BIN)/python -m tools.pictures
	@$(BIN)/python -m tools.settings_tables

check: .venv/.dev ## ruff, mypy --strict, the direction of imports, pyright on the documents' programs, squawk on every revision, shellcheck, hadolint, compose's schema, known vulnerabilities
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo
	@$(BIN)/python -m tools.typed_programs
	@$(BIN)/python -m tools.revision_gate
	@$(BIN)/shellcheck .ci/run deploy/pgbouncer/start.sh
	@$(BIN)/hadolint Dockerfile deploy/pgbouncer/Dockerfile
	@$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	@$(BIN)/python -m tools.audit

format: .venv/.dev ## rewrite the code in the house's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# The set to develop comes first: what runs and what is measured are the versions that the tests ran with.
lock: ## renew requirements/*.txt from pyproject.toml, pinned by hash, without addresses: make lock args=--upgrade
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --upgrade --target .tools uv
	@for set in "dev --all-extras --group dev" "run -c requirements/dev.txt --extra api --extra cli --extra embedded" \
	  "bench -c requirements/dev.txt --extra api --extra cli --extra embedded --group bench"; do set -- $$set; name=$$1; shift; \
	  echo "resolving requirements/$$name.txt"; \
	  .tools/bin/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate $(args) $$* pyproject.toml \
	    -o requirements/$$name.txt || exit; done

clean: ## remove what the targets set up
	rm -rf .venv .venv-bench .tools .mypy_cache .pytest_cache .ruff_cache .coverage*

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv --without-pip .venv   # Debian's python3 has no ensurepip; pip works from outside
	@touch $@

# Its own environment: what is measured against never gets into ours.
.venv-bench/.bench: requirements/bench.txt
	@$(PYTHON) -m venv --without-pip .venv-bench
	@$(INSTALL) .venv-bench $<
	@touch $@

.venv/.run: requirements/run.txt | .venv/.python
	@$(INSTALL) .venv $<
	@touch $@

.venv/.dev: requirements/dev.txt | .venv/.python
	@$(INSTALL) .venv $<
	@touch $@ .venv/.run
