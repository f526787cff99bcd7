# make run     serve on http://127.0.0.1:9000 with everything in ./data
# make test    run the tests
# make crash   kill it at every call, fail every call to the disk, kill -9 its processes, cut its power: half an hour
# make long    the tests of make test that try more, or larger bodies, than its time allows; 40 GiB of disk
# make check   linters, types, import rules, architecture tests
# make bench   this server, moto's and the limits of the machine, in one run
# make format  let ruff format and repair what it can
# make lock    write .ci/constraints.txt anew: the versions that CI installs
# make clean   remove what make made; data are kept
#
# ARGS goes to the program: make run ARGS="--address 0.0.0.0:9000", make test ARGS="-k ranges".

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# CI installs exactly what was tested; everybody else what the ranges of pyproject.toml allow.
CONSTRAINTS := $(if $(CI),--constraint .ci/constraints.txt)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help run test crash long check bench format lock clean

help:
	@sed -n 's/^# make/make/p' Makefile

run: $(VENV)/installed-run
	$(BIN)/s3d serve data $(ARGS)

test: $(VENV)/installed-test
	$(BIN)/pytest -n auto $(ARGS)

# Its short form is a part of make test. Two at a time: the tests wait more than they work.
crash: $(VENV)/installed-test
	S3D_TEST_CRASH=full $(BIN)/pytest -n 2 --dist worksteal tests/crash $(ARGS)

# One after the other: they measure memory, and wait for what takes long.
long: $(VENV)/installed-test
	S3D_TEST_LONG=true S3D_TEST_LARGE_MIB=256 $(BIN)/pytest \
	  tests/model tests/overload/test_memory.py tests/overload/test_postgres_away.py $(ARGS)

check: $(VENV)/installed-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/architecture $(ARGS)

bench: $(VENV)/installed-bench
	$(BIN)/python bench/run.py $(ARGS)

format: $(VENV)/installed-check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The newest of everything that the ranges allow, in an environment of its own.
lock:
	rm -rf .venv-lock
	$(MAKE) VENV=.venv-lock CI= .venv-lock/installed-lock
	{ echo '# Written by make lock: the versions that CI installs.'; \
	  .venv-lock/bin/python -m pip freeze --exclude-editable; } > .ci/constraints.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-lock build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	  .import_linter_cache
	find . -name __pycache__ -type d -not -path './data/*' -prune -exec rm -rf {} +

# The tests need the clients, and the architecture tests run in make check.
GROUPS_run :=
GROUPS_test := --group test
GROUPS_check := --group test --group check
GROUPS_bench := --group bench
GROUPS_lock := --group test --group check --group bench

$(VENV)/installed-%: pyproject.toml | $(BIN)/pip
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) $(GROUPS_$*) --editable .
	touch $@

# Groups of requirements need a pip of 2025 or later. Debian's python3 has venv but, without the
# package python3-venv, no pip to put into it. Then a pip of a known digest comes from the package
# index; it installs itself.
PIP_VERSION := 26.3
PIP_SHA256 := f3b60b20ffaadd4415ed7957212a38ac63fa4c5fa375bd0f4a797777940fad13

define FETCH_PIP
import hashlib, os, re, sys, urllib.parse, urllib.request
wheel, sha256 = sys.argv[1:]
index = (os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple").rstrip("/") + "/pip/"
name = re.escape(os.path.basename(wheel))
page = urllib.request.urlopen(index, timeout=60).read().decode()
where = urllib.parse.urljoin(index, re.search('href="([^"#]*' + name + ')[#"]', page)[1])
data = urllib.request.urlopen(where, timeout=60).read()
assert hashlib.sha256(data).hexdigest() == sha256, where + " is not the file that it should be"
open(wheel, "wb").write(data)
endef
export FETCH_PIP

$(BIN)/pip: export PIP_WHEEL = $(VENV)/pip-$(PIP_VERSION)-py3-none-any.whl
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or later is needed; name it with make PYTHON=...' >&2; exit 1; }
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
	  $(PYTHON) -m venv --clear $(VENV) && $(BIN)/python -m pip install --quiet 'pip==$(PIP_VERSION)'; \
	else \
	  $(PYTHON) -m venv --without-pip --clear $(VENV) \
	  && { $(PYTHON) -c "$$FETCH_PIP" $$PIP_WHEEL $(PIP_SHA256) \
	       || { echo 'No pip: install the package python3-venv, then make again.' >&2; exit 1; }; } \
	  && $(BIN)/python $$PIP_WHEEL/pip install --quiet --no-index $$PIP_WHEEL && rm $$PIP_WHEEL; \
	fi
