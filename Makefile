# make help lists what there is. Everything happens in .venv; nothing else on the machine changes.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test readers check attack lint types docs docs-check bench bench-full \
    bench-digits clean

help:  ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## set up, fuse three modalities of sample_data, show the result
	$(BIN)/mmfuse concat sample_data/pixels.npy fourier=sample_data/fourier.csv \
	    sample_data/karhunen.parquet --normalize zscore --weight fourier=2 -o fused.parquet
	@echo
	$(BIN)/python -c "import pandas; print(pandas.read_parquet('fused.parquet'))"
	@echo
	@echo "fused.parquet is yours; '$(BIN)/mmfuse inspect fused.parquet' tells how it was made."

# where tests reach every branch: formats, alignment, the writer, files of models
WHOLE := mmfuse/formats/*,mmfuse/core/align*.py,mmfuse/core/id*.py,mmfuse/core/join.py,$\
    mmfuse/core/match.py,mmfuse/core/time_align.py,mmfuse/files/output*.py,mmfuse/files/hidden.py,$\
    mmfuse/output.py,mmfuse/sharded_output.py,mmfuse/saving.py,mmfuse/models.py,mmfuse/*_file.py,$\
    mmfuse/model_check.py,mmfuse/ensemble/stored.py

test: $(VENV)/.developed  ## set up and run the tests, and see that they reach the code
	$(BIN)/python -m pytest -n auto -q --cov --cov-report=
	$(BIN)/coverage report --fail-under=95 --format=total
	$(BIN)/coverage report --fail-under=100 --include='$(WHOLE)'

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

attack: $(VENV)/.attacked  ## attack for hours: long tests, fuzzing, changed code (FUZZ=60 seconds a target)
	$(BIN)/python -m pytest -n auto -q --long tests/attack
	$(BIN)/python tests/attack/fuzz.py --seconds $(or $(FUZZ),60)
	$(BIN)/python tests/attack/mutation.py

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

$(VENV)/.attacked: $(VENV)/.developed
	$(BIN)/pip install --quiet --group attack
	@touch $@

$(VENV)/.developed: $(VENV)/.installed
	$(BIN)/pip install --quiet --group dev
	@touch $@
