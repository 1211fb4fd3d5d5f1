# make help lists what there is. Everything happens in .venv; nothing else on the machine changes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test readers check lint types docs docs-check bench bench-full bench-digits clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## set up, fuse three modalities of sample_data, show the result
	$(BIN)/mmfuse concat sample_data/pixels.npy fourier=sample_data/fourier.csv \
	    sample_data/karhunen.parquet --normalize zscore --weight fourier=2 -o fused.parquet
	@echo
	$(BIN)/python -c "import pandas; print(pandas.read_parquet('fused.parquet'))"
	@echo
	@echo "fused.parquet is yours; '$(BIN)/mmfuse inspect fused.parquet' tells how it was made."

test: $(VENV)/.developed  ## set up and run the tests
	$(BIN)/python -m pytest -n auto -q

readers: $(VENV)/.developed  ## read outputs with Hugging Face datasets, PyTorch, faiss, LanceDB
	$(BIN)/pip install --quiet --group readers
	$(BIN)/python -m pytest -q tests/test_readers.py

check: lint types docs-check test  ## everything that has to hold before a change lands

lint: $(VENV)/.developed  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.developed  ## types, strictly
	$(BIN)/mypy

docs: $(VENV)/.developed  ## make the command reference and the picture from the code
	$(BIN)/python docs/generate.py

docs-check: $(VENV)/.developed  ## fail if the documents do not say what the code does
	$(BIN)/python docs/generate.py --check

bench: $(VENV)/.benched  ## time mmfuse beside its peers (N=200000 ids, ROUNDS=5, JOBS='*')
	$(BIN)/python benchmarks/run.py --rows $(or $(N),200000) --rounds $(or $(ROUNDS),5) \
	    --jobs '$(or $(JOBS),*)'

bench-full: $(VENV)/.benched  ## the same at N=1000000 ids, ROUNDS=3, and the growth over N
	$(BIN)/python benchmarks/run.py --rows $(or $(N),1000000) --rounds $(or $(ROUNDS),3) --growth

bench-digits: $(VENV)/.benched  ## what fusion is worth to a classifier of sample_data
	$(BIN)/python benchmarks/digits.py
	$(BIN)/python benchmarks/digits_models.py

clean:  ## remove the environment and what was made
	rm -rf $(VENV) fused.parquet build dist

$(VENV)/.created:
	$(PYTHON) -m venv $(VENV) || { \
	    echo "Debian keeps venv in a package of its own: apt-get install python3-venv"; \
	    rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.benched: $(VENV)/.installed
	$(BIN)/pip install --quiet --group bench
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/pip install --quiet --group dev
	@touch $@
