# SocialFlow. Every target creates .venv if needed. Requires Python 3.11-3.14 and make.
# requirements.lock holds the run-time packages, requirements-dev.lock adds those of tests and checks,
# requirements-bench.lock those of the benchmarks. The first target that needs a lock file installs it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
DEV := .venv/.dev
# --no-deps: a lock file is complete, and without it pip 23 refuses extras in hash mode.
INSTALL := $(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement
COMPILE := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11

.DEFAULT_GOAL := help
.PHONY: help demo up test test-failed check format bench bench-api bench-capacity bench-claims bench-dashboard bench-ingest bench-ingest-runs bench-overview bench-questions bench-publish bench-rest bench-year bench-optimal-times eval-optimal-times eval-timing-lift chaos chaos-ingest chaos-power mutants test-long test-pds test-dbt test-specs test-schema hostile audit docs fuzz-imports test-mastodon-server test-browser bench-turn bench-imports lock clean bench-lake-layout chaos-cluster simulate-capacity soak

help: ## Show all targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 22

demo: $(READY) ## Run the product on simulated platforms; no account needed (Ctrl-C stops it)
	@$(BIN)/socialflow demo

up: $(READY) ## Start SocialFlow: API, Prefect, publisher
	@$(BIN)/socialflow up

test: $(DEV) ## Run the tests
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

test-failed: $(DEV) ## Run the tests that failed last time again, one after the other
	$(BIN)/pytest -n 0 --last-failed --last-failed-no-failures none

check: $(DEV) ## Check lint rules, formatting, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV) ## Format the code and apply safe lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/.bench ## Run all benchmarks (each a ratio within one run)
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

eval-optimal-times: $(READY) ## Evaluate the timing model (SEEDS=1,2 HISTORY=file.parquet TIMEZONE=UTC BEFORE=2016-06-21 CUTS=0.5,0.6)
	@$(BIN)/python benchmarks/eval_optimal_times.py $(if $(SEEDS),--seeds $(SEEDS)) $(if $(HISTORY),--history $(HISTORY)) \
	  $(if $(TIMEZONE),--timezone $(TIMEZONE)) $(if $(BEFORE),--before $(BEFORE)) $(if $(CUTS),--cuts $(CUTS))

bench-lake-layout: $(DEV) ## Compare layouts of the lake's snapshots: partitions, sort order, inlining (ROWS=5000000)
	@$(BIN)/python benchmarks/bench_lake_layout.py $(if $(ROWS),--rows $(ROWS))

simulate-capacity: $(READY) ## Simulate publishing and ingestion at 1 M accounts: machines, what breaks first, costs (ACCOUNTS=1000000 SNAPSHOTS=1e8; SMALL=1: a table)
	@$(BIN)/python benchmarks/simulate_capacity.py $(if $(SMALL),--small) $(if $(ACCOUNTS),--accounts $(ACCOUNTS)) $(if $(SNAPSHOTS),--snapshots $(SNAPSHOTS))

bench-optimal-times: $(DEV) ## Compare the daily timing run with LightGBM and a loop (ACCOUNTS=10000 POSTS=1000)
	@$(MAKE) --no-print-directory .venv/.bench || echo "LightGBM is not installed (no network): it is left out."
	@$(BIN)/python benchmarks/bench_optimal_times.py $(if $(ACCOUNTS),--accounts $(ACCOUNTS)) $(if $(POSTS),--posts $(POSTS))

bench-api: $(DEV) ## Measure the API with 32 clients, also while another process commits, beside a bare FastAPI route
	@$(BIN)/python benchmarks/bench_api.py

bench-capacity: $(DEV) ## Measure CPU, memory and disk per publication, snapshot and account (about a minute)
	@$(BIN)/python benchmarks/bench_capacity.py

bench-ingest: .venv/.bench ## Compare loading with dlt and with a bare Arrow append of the same rows (about 15 minutes)
	@$(BIN)/python benchmarks/bench_ingest.py

bench-ingest-runs: $(DEV) ## Measure ingestion and backfill by 1, 2 and 4 runs on PostgreSQL, platforms answering after 50 to 200 ms (about 5 minutes)
	@$(BIN)/python benchmarks/bench_ingest_runs.py $(if $(ACCOUNTS),--accounts $(ACCOUNTS))

bench-imports: $(DEV) ## Import a CSV of 1,000,000 rows (ROWS=200000, or FILE=posts.parquet SECONDS=40); seconds, CPU, peak memory
	@$(BIN)/python benchmarks/bench_imports.py $(if $(ROWS),--rows $(ROWS)) $(if $(FILE),--file $(FILE)) $(if $(SECONDS),--goal-seconds $(SECONDS))

bench-questions: $(DEV) ## Time every documented query on 1 M snapshots; each must take less than 0.5 s (BENCH_HOME=folder to keep the lake)
	@$(BIN)/python benchmarks/bench_questions.py

bench-dashboard: $(DEV) ## Time the dashboard's pages on 1 M snapshots, compared with their own queries (BENCH_HOME=folder to keep the lake, POSTS=200)
	@$(BIN)/python benchmarks/bench_dashboard.py

bench-overview: $(DEV) ## Compare the overview endpoint with the bare mart query and with raw snapshots in two databases
	@$(BIN)/python benchmarks/bench_overview.py

bench-publish: $(DEV) ## Measure punctuality and throughput of the publisher, compared with a bare httpx loop
	@$(BIN)/python benchmarks/bench_publish.py

bench-claims: $(DEV) ## Measure claims and whole sends a second by 1, 2 and 4 publishers on PostgreSQL, beside procrastinate
	@$(MAKE) --no-print-directory .venv/.bench || echo "procrastinate is not installed (no network): it is left out."
	@$(BIN)/python benchmarks/bench_claims.py $(if $(DUE),--due $(DUE)) $(if $(SENDS),--sends $(SENDS))

bench-turn: $(DEV) ## Compare a claim, housekeeping and /metrics beside 10,000 and 10 M published posts (HISTORY=1000000 for fewer)
	@$(BIN)/python benchmarks/bench_turn.py $(if $(HISTORY),--history $(HISTORY))

bench-rest: $(DEV) ## Measure memory and CPU time of `up` at rest (Linux; SECONDS=60)
	@$(BIN)/python benchmarks/bench_rest.py $(if $(SECONDS),--seconds $(SECONDS))

bench-year: $(DEV) ## Simulate a year of commits, then compare queries with a fresh lake (DAYS=60 COMMITS=12; 10 to 30 minutes)
	@$(BIN)/python benchmarks/bench_year.py $(if $(DAYS),--days $(DAYS)) $(if $(COMMITS),--commits $(COMMITS))

eval-timing-lift: $(READY) ## Check the coverage of the measured lift's intervals in simulated experiments
	@$(BIN)/python benchmarks/eval_timing_lift.py

chaos: $(DEV) ## Kill publishers at random for half an hour, on SQLite and PostgreSQL (SEEDS=10 for more runs)
	@$(BIN)/python -m tests.chaos.storm --seeds $(or $(SEEDS),3)
	@$(BIN)/python -m tests.chaos.storm --seeds $(or $(SEEDS),3) --postgres
	@$(BIN)/python -m tests.chaos.kill_storm --seeds $(or $(SEEDS),3)
	@$(BIN)/python -m tests.chaos.kill_storm --seeds $(or $(SEEDS),3) --postgres
	@$(BIN)/python -m tests.chaos.kill_storm --seeds $(or $(SEEDS),3) --prefect-hangs
	@$(BIN)/python -m tests.chaos.kill_storm --seeds $(or $(SEEDS),3) --prefect-hangs --postgres

chaos-cluster: $(DEV) ## Twelve faults on a cluster of two machines, with Prometheus (8 minutes; Linux, root, PostgreSQL; ONLY=api-killed)
	@$(BIN)/python -m tests.chaos.cluster_storm $(if $(ONLY),--only $(ONLY))

soak: $(DEV) ## Two hours of traffic with faults in ten minutes: memory, open files, files and query time stay flat (SECONDS_LONG=600)
	@$(BIN)/python -m tests.chaos.soak --seconds $(or $(SECONDS_LONG),600)

chaos-ingest: $(DEV) ## Kill ingest runs at random for some minutes, on SQLite and PostgreSQL, then compare every row (SEEDS=10 for more runs)
	@$(BIN)/python -m tests.chaos.ingest_storm --seeds $(or $(SEEDS),3)
	@$(BIN)/python -m tests.chaos.ingest_storm --seeds $(or $(SEEDS),3) --postgres

fuzz-imports: $(DEV) ## Read thousands of cut and changed files of every import format (TURNS=100)
	FUZZ_TURNS=$(or $(TURNS),100) $(BIN)/pytest -q -s tests/warehouse/lake/import_/test_formats.py -k truncated

mutants: $(DEV) ## Count the small breaks of sending, scheduling, lake, doctor, supervisor that tests notice (hours; ONLY="warehouse.scheduling.*5")
	$(BIN)/mutmut run $(if $(ONLY),"$(ONLY)")
	@$(BIN)/mutmut results

chaos-power: $(DEV) ## Kill everything that `up` started at random moments; every flow must succeed again (CUTS=20 SEED=1)
	@$(BIN)/python -m tests.chaos.power_cut --cuts $(or $(CUTS),20) --seed $(or $(SEED),1)

test-mastodon-server: $(DEV) ## Publish to a real Mastodon or compatible server (SOCIALFLOW_TEST_MASTODON_URL, ..._TOKEN)
	$(BIN)/pytest tests/mastodon_server -m mastodon_server -rs

test-long: $(DEV) ## Run the cases that `make test` leaves out because they take minutes
	$(BIN)/pytest -m long -n 2 --dist loadfile

test-pds: $(DEV) ## Publish to Bluesky's own server on loopback (requires Node 20 and npm)
	$(BIN)/pytest tests/pds -m pds -rs

test-dbt: $(DEV) ## Build the dbt example on a lake (installs dbt into .venv/dbt)
	@test -x .venv/dbt/bin/dbt || { $(PYTHON) -m venv .venv/dbt && .venv/dbt/bin/pip install --quiet -r examples/dbt/requirements.txt; }
	$(BIN)/pytest tests/examples/test_dbt.py -m dbt -rs

test-specs: $(DEV) ## Validate connectors and sandbox against the platforms' specifications (SOCIALFLOW_SPECS=folder)
	$(BIN)/pytest tests/specs -m specs -rs

test-schema: $(DEV) ## Fuzz the whole API from its OpenAPI document, all checks on (about five minutes)
	SCHEMA_TEST=full $(BIN)/pytest tests/api/test_schema.py -q -s

test-browser: $(DEV) ## Open every dashboard page in Chromium, run axe-core, write docs/images (requires Chromium and npm)
	BROWSER_TEST=full $(BIN)/pytest tests/browser/test_dashboard.py -n 0 -rs

hostile: $(DEV) ## Attack a running API with a hostile corpus and random changes of it (MINUTES=5 SEED=1)
	@$(BIN)/python -m tests.hostile.run --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

audit: $(READY) ## Check the run-time lock for known vulnerabilities and report its licences
	@test -x .venv/audit/bin/pip-audit || { $(PYTHON) -m venv .venv/audit && .venv/audit/bin/pip install --quiet pip-audit; } \
	  || echo "pip-audit could not be installed."
	@$(BIN)/python -m tests.audit

docs: $(READY) ## Write docs/warehouse-columns.md from the comments in the lake's catalog
	@$(BIN)/python -m warehouse.lake.describe > docs/warehouse-columns.md

lock: $(READY) ## Regenerate the three lock files from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) --extra install pyproject.toml --output-file requirements.lock
	$(COMPILE) --extra install --extra dev --constraint requirements.lock pyproject.toml \
	  --output-file requirements-dev.lock
	$(COMPILE) --extra install --extra dev --extra bench --constraint requirements-dev.lock pyproject.toml \
	  --output-file requirements-bench.lock

clean: ## Remove .venv and caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis mutants tests/pds/node_modules tests/browser/node_modules

.venv/.bench: $(DEV) requirements-bench.lock
	@echo "Installing the packages that the benchmarks compare with ..."
	@$(INSTALL) requirements-bench.lock
	@touch $@

$(DEV): $(READY) requirements-dev.lock
	@echo "Installing the packages of tests and checks (half a minute, once) ..."
	@$(INSTALL) requirements-dev.lock
	@touch $@

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 14) else \
	  "SocialFlow requires Python 3.11 to 3.14, this is %d.%d: set PYTHON=/path/to/python3.12" % v)'
	@echo "Creating .venv (about a minute, once) ..."
	@$(PYTHON) -m venv .venv
	@$(INSTALL) requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
