# Every target works on a fresh machine with python3 and make.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup run test test-processes cover cover-core check format certs test-postgresql test-real \
	test-scale test-browser soak pkits bench bench-crl clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt gateway/__init__.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

run: setup
	$(BIN)/eas-gateway demo

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A process that has nothing left takes tests over from the other, so that both end together.
PYTEST := $(BIN)/python -m pytest -n 4 --dist worksteal

# Whole gateways, supervisor and control as processes: killed, drained, reloaded, restarted.
PROCESSES := tests/blackbox $(addprefix tests/runtime/test_,control.py supervisor.py systemd.py)

test: setup
	$(PYTEST) $(PROCESSES:%=--ignore=%)

test-processes: setup
	$(PYTEST) $(PROCESSES)

# The same tests with branch coverage, which nearly doubles their time, and its floors.
cover: setup
	$(PYTEST) --cov --cov-report=
	$(BIN)/coverage report --fail-under=90
	$(BIN)/coverage report --include='gateway/core/*' --fail-under=100

# The floor of what decides, by its own tests alone.
cover-core: setup
	$(PYTEST) --cov=gateway.core --cov-report= tests/core
	$(BIN)/coverage report --include='gateway/core/*' --fail-under=100

# The store's tests on PostgreSQL, too, by a server of their own, which is gone afterwards.
# Installs Debian's PostgreSQL where it is missing, without starting it: run it as root then.
test-postgresql: setup
	$(BIN)/python -m tests.store.postgresql_server
	EAS_GATEWAY_TEST_POSTGRESQL=1 $(BIN)/python -m pytest -n 2 tests/store tests/cli/test_store.py

# Installs Debian's SOGo and libwbxml: run it as root. What it needs beyond `setup` is the group `real`.
test-real: .venv/.installed-real
	$(BIN)/python -m tests.real.sogo down --wipe
	$(BIN)/python -m tests.real.sogo up && $(BIN)/python -m pytest tests/real; status=$$?; \
	$(BIN)/python -m tests.real.sogo down && exit $$status

.venv/.installed-real: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,real]'
	touch $@

# 8,000 phones, two nodes, killed processes: about eight minutes on two cores, figures at the end.
# Installs Debian's HAProxy and PostgreSQL where they are missing, without starting them: as root.
test-scale: setup
	$(BIN)/python -m tests.scale.haproxy
	$(BIN)/python -m tests.store.postgresql_server
	$(BIN)/python -m pytest tests/scale

# Simulated devices live with the gateway for a minute, or so long and so many as you say:
# make soak SECONDS=3600 DEVICES=2000. The course of it is in build/soak/ afterwards.
SECONDS ?= 60
DEVICES ?= 500
soak: setup
	EAS_GATEWAY_SOAK_SECONDS=$(SECONDS) EAS_GATEWAY_SOAK_DEVICES=$(DEVICES) \
	$(BIN)/python -m pytest tests/scale/test_soak.py

# The self-check page in Debian's Chromium; its pictures are in build/browser/ afterwards. Installs
# Chromium where it is missing, and gives it a policy for as long as it runs: run it as root.
test-browser: setup
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest tests/browser

# NIST's path validation suite against our own revocation engine; the results are in docs/pkits.md.
pkits: setup
	$(BIN)/python -m tests.pkits

# Installs Debian's nginx and HAProxy where they are missing: run it as root then.
bench: setup
	@for server in nginx haproxy; do PATH="$$PATH:/usr/sbin" command -v $$server >/dev/null || missing=yes; done; \
	[ -z "$$missing" ] || { apt-get update -q && apt-get install -q -y --no-install-recommends nginx-light haproxy; }
	$(BIN)/python -m bench $(BENCH)

# A CRL of 540,000 entries in the gateway, in OpenSSL and, where it is installed, in nginx.
bench-crl: setup
	$(BIN)/python -m bench.crl

certs: setup
	$(BIN)/eas-gateway pki init --directory certs

clean:
	rm -rf .venv state .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
