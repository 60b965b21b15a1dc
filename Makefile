# `make demo` and `make test` need python3 with venv, and make; they install the rest into .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/installed
DEMO := runs/demo
# Of `make results`: cores (two CPU cores) or paper (an accelerator).
BUDGET ?= cores

.PHONY: demo test slow results clean

$(STAMP): pyproject.toml constraints.txt rankq_jax/__init__.py
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' --constraint constraints.txt
	touch $@

demo: $(STAMP)
	rm -rf $(DEMO)
	$(BIN)/python -m experiments.train --config=rankq:pointmaze-umaze --workdir=$(DEMO)

test: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m 'not slow' -n 2 --dist loadfile

slow: $(STAMP)
	$(BIN)/python -m pytest -q -m slow

# The tables of docs/results: hours on two cores. Interrupted, the same command goes on.
results: $(STAMP)
	$(BIN)/python -m launch.results launch/sweeps/pointmaze.py --out=runs/pointmaze \
		--table=docs/results/pointmaze.md --budget=$(BUDGET)
	$(BIN)/python -m launch.results launch/sweeps/oap.py --out=runs/oap \
		--table=docs/results/oap.md --reference=oap_td3_bc
	$(BIN)/python -m launch.results launch/sweeps/antmaze.py --out=runs/antmaze \
		--table=docs/results/antmaze.md --budget=$(BUDGET)
	$(BIN)/python -m launch.results launch/sweeps/adroit.py --out=runs/adroit \
		--table=docs/results/adroit.md --budget=$(BUDGET)

clean:
	rm -rf .venv
