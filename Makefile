# Names of tasks only; the scripts are in .ci/.
.PHONY: install demo serve quick test fuzz check docs lock

install:
	@.ci/install

demo: install
	@.venv/bin/python .ci/demo.py

serve: install
	@.venv/bin/ablate serve

quick: install
	@.ci/quick

test: install
	@.ci/test

fuzz: install
	@.ci/fuzz $(or $(SECONDS),600) $(SEED)

check: install
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

docs: install
	@.venv/bin/python .ci/reference.py

lock: install
	@.ci/lock
