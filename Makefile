# Two commands matter: `make demo` and `make test`. Both need only Python 3.11 to 3.13 and make.
#
# Every path here is relative, so that a checkout in a folder with spaces works.

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python

# The environment in .venv, made from one lock file with every hash checked, then this project itself (editable).
# - .venv/.complete names what the environment was made from and is written last: an install that was killed is
#   never taken for a whole one, and a changed lock, interpreter or folder makes a new environment.
# - The lock on this folder lets a second make wait for the first instead of building into the same .venv. What is
#   started here holds it too, so that a pip whose make was killed is waited for.
define ENVIRONMENT
import fcntl, hashlib, os, pathlib, subprocess, sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    sys.exit(f"SyncStock needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}. "
             "Name another one: make PYTHON=python3.12 ...")

def digest(*parts):
    return hashlib.sha256(repr(parts).encode()).hexdigest()

def read(name):
    return pathlib.Path(name).read_bytes()

held = os.open(".", os.O_RDONLY)
try:
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("Waiting for another make that works on .venv ...", flush=True)
    fcntl.flock(held, fcntl.LOCK_EX)

def run(*command):
    done = subprocess.run(command, pass_fds=[held])
    if done.returncode != 0:
        sys.exit(f"Failed: {' '.join(command)}")

wanted = sys.argv[1]
# The development lock holds everything the other one holds, at the same versions.
accepted = {wanted, "requirements-dev.lock"}
keys = {name: digest(read(name), sys.version, sys.base_prefix, os.getcwd()) for name in accepted}
project = digest(read("setup.cfg"), read("pyproject.toml"))
stamp = pathlib.Path(".venv/.complete")
python = pathlib.Path(".venv/bin/python")
made_from, made_project = (stamp.read_text().split() + ["", ""])[:2] if stamp.exists() else ("", "")

pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", "install"]
if made_from not in keys.values() or not python.exists():
    print(f"Creating the environment .venv from {wanted} (once, about a minute) ...", flush=True)
    stamp.unlink(missing_ok=True)
    run(sys.executable, "-m", "venv", "--clear", ".venv")
    run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", wanted)
    made_from, made_project = keys[wanted], ""
if made_project != project:
    # setuptools comes from the lock, so nothing is fetched here.
    stamp.unlink(missing_ok=True)
    run(*pip, "--no-index", "--no-deps", "--no-build-isolation", "--editable", ".")
    fresh = stamp.with_name(".complete.new")
    fresh.write_text(f"{made_from}\n{project}\n")
    os.replace(fresh, stamp)
endef
export ENVIRONMENT

# A throwaway uv resolves once for all supported interpreters and platforms. Versions and hashes only: no index, no
# host and no local path is written.
define LOCK
import pathlib, subprocess, sys, tempfile

with tempfile.TemporaryDirectory() as folder:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([f"{folder}/bin/python", "-m", "pip", "--quiet", "install", "uv"], check=True)
    resolve = [f"{folder}/bin/uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11",
               "--generate-hashes", "--no-strip-extras", "--no-annotate", "--no-header",
               "--no-emit-index-url", "--no-emit-find-links",
               *sys.argv[1:], "setup.cfg"]
    for lock, more in {"requirements.lock": [],
                       "requirements-dev.lock": ["--extra", "dev", "--constraint", "requirements.lock"]}.items():
        subprocess.run([*resolve, *more, "--output-file", lock], check=True)
        if "://" in pathlib.Path(lock).read_text():
            sys.exit(f"{lock} names an address; remove it before it is committed")
endef
export LOCK

.PHONY: help venv demo up down test lint bench bench-full prove clean lock

help: ## this list
	@echo 'SyncStock'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: ## a realistic shop from files to right stock, in one command
	@"$(PYTHON)" -c "$$ENVIRONMENT" requirements.lock
	@.venv/bin/syncstock demo

up: ## the demo in Dagster: webserver and daemon, until Ctrl-C
	@"$(PYTHON)" -c "$$ENVIRONMENT" requirements.lock
	@.venv/bin/syncstock up --demo

down: ## stop what `up` and `demo` started; the data stays
	@if [ -f .venv/.complete ]; then .venv/bin/syncstock down; else echo 'Nothing was started from here.'; fi

# Two workers, each with databases of its own; a file of tests stays with one of them.
test: venv ## all tests, on fresh databases of the embedded server
	@$(VENV_PYTHON) -m pytest -n 2 --dist loadfile

lint: venv ## ruff (rules, format) and mypy
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

bench: venv ## the benchmarks that take minutes
	@$(VENV_PYTHON) -m benchmarks

bench-full: venv ## the benchmarks on ten million ledger entries too
	@$(VENV_PYTHON) -m benchmarks --full

prove: venv ## the property tests again, with many more examples
	@$(VENV_PYTHON) -m pytest -m prove --hypothesis-profile=prove --timeout=7200

venv: ## the development environment in .venv, exactly as locked
	@"$(PYTHON)" -c "$$ENVIRONMENT" requirements-dev.lock

lock: ## resolve both lock files again (LOCK_ARGS=--upgrade for newer versions)
	@"$(PYTHON)" -c "$$LOCK" $(LOCK_ARGS)

clean: ## stop the server and remove the environment and caches; the data in .syncstock stays
	@if [ -f .venv/.complete ] && [ -x .venv/bin/syncstock ]; then .venv/bin/syncstock down || true; fi
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist syncstock_dagster.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
