# One line each; the plain equivalents stand in README.md.
.PHONY: demo demo-wheel demo-group test test-faults test-slurm package check check-code check-tests lint site bench reference check-demo clean
PYTHON ?= python3
BIN := .venv/bin

demo: .venv/ready  ## run the demo study; a second call says there is nothing to do
	$(BIN)/python -m tristream run

demo-wheel: .venv-wheel/ready  ## the demo as a user installs it, away from the clone, into which its results then move
	@test ! -e results || { echo "results/ is there and stays; make clean deletes it"; exit 1; }
	rm -rf .venv-wheel/demo .snakemake && mkdir -p data
	.venv-wheel/bin/tristream init .venv-wheel/demo --demo && ln -s ../../data .venv-wheel/demo/data
	cd .venv-wheel/demo && PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" tristream run
	mv .venv-wheel/demo/results .venv-wheel/demo/.snakemake .

demo-group: .venv/ready  ## after the demo: its second subject, the group, and what joins both; nothing else runs again
	sed 's/subjects: \["01"\]/subjects: all/' config.yaml > results/both_subjects.yaml
	$(BIN)/python -m tristream run --config results/both_subjects.yaml

test: export OMP_NUM_THREADS = 1
test: .venv/ready-test .venv-fmriprep/ready  ## all tests but those that need a GPU, `make test-faults`, `make test-slurm`, `make package`
	$(BIN)/python -m pytest -m "not gpu and not demo and not faults and not slurm and not package and not site" -n 2 --dist loadgroup $(PYTEST)

test-slurm: export OMP_NUM_THREADS = 1
test-slurm: .venv/ready-test  ## the small study on a Slurm of its own (apt-get install slurm-wlm munge; as root)
	$(BIN)/python -m pytest -m slurm --durations=5 tests/slurm $(PYTEST)

test-faults: export OMP_NUM_THREADS = 1
test-faults: .venv/ready-test  ## a study that is killed 20 times, every job of it without room, full disks (mounted, as root)
	$(BIN)/python -m pytest -m faults -s --durations=0 -n 2 --dist loadgroup tests/study tests/faults/test_disks.py $(PYTEST)

package: export OMP_NUM_THREADS = 1
package: .venv-wheel/ready  ## wheel and source archive, installed in an empty environment: a study, quick tests
	$(BIN)/python -m pytest -m package -s --durations=5 tests/package $(PYTEST)

check: .venv/ready-test  ## within a minute: lint, format, types and the quick tests of what changed
	$(MAKE) --no-print-directory --output-sync=target -j 2 check-code check-tests

check-code:
	$(BIN)/ruff check . && $(BIN)/ruff format --check --quiet . && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/lint-imports && $(BIN)/mypy

check-tests: export OMP_NUM_THREADS = 1
check-tests:
	$(BIN)/python -m pytest -q -r fE --no-header --quick 25 -m "not gpu and not demo and not faults and not slurm and not package and not site" -n 2 --dist loadfile $$($(BIN)/python tests/changed.py)

check-demo: .venv/ready-test  ## hold the demo's results, of both subjects, against their thresholds
	$(BIN)/python -m pytest -m demo tests/demo

lint: .venv/ready-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint && $(BIN)/lint-imports && $(BIN)/mypy

reference: .venv/ready  ## write the generated pages of docs/ and the schemas anew
	$(BIN)/python -m tristream config reference && $(BIN)/python -m tristream features reference && $(BIN)/python docs/layers.py

site: .venv/ready-docs  ## docs/ as a site in _site/, warnings as errors; its links, and that it asks nobody
	rm -rf _site
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs _site
	$(BIN)/python -m pytest -q -m site tests/site

bench: .venv/ready-test
	for script in benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean:  ## delete the results; downloads stay
	rm -rf results

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[workflow]"
	touch $@

.venv/ready-test: .venv/ready
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[test]"
	$(BIN)/python -m pip install --quiet -c constraints.txt --no-deps pymoten
	touch $@

.venv/ready-docs: .venv/ready-test
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

# Anew for each change of what it holds.
.venv-wheel/ready: .venv/ready-test pyproject.toml config.yaml $(shell find src workflow -name __pycache__ -prune -o -type f -print)
	rm -rf .venv-wheel
	PYTHONPATH=tests $(BIN)/python -m helpers.installed_package .venv-wheel
	touch $@

# fMRIPrep, which the tests run in a process of its own: over .venv, so that it brings little.
.venv-fmriprep/ready: .venv/ready-test tests/helpers/reference/requirements.txt
	rm -rf .venv-fmriprep
	$(BIN)/python -m pip install --quiet --no-deps --no-compile --target .venv-fmriprep -r tests/helpers/reference/requirements.txt
	touch $@
