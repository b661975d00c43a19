# Task names only; what they do stands in .ci/.
.PHONY: install demo serve test check lock

install:
	@.ci/install

demo: install
	@.venv/bin/python .ci/demo.py

serve: install
	@.venv/bin/ablate serve

test: install
	@.ci/test

check: install
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

lock: install
	@.ci/lock
