# make book           the site: sets up .venv, runs the notebooks, writes the pages; SOLUTIONS=0 leaves the solutions out
# make check          lint, then every test that needs no site and no browser
# make test           make check, then make book and the tests that need the built book (make test-built)
# make lint           style of the code, types of the scripts, stored form of the notebooks, exercises, spelling
# make serve          opens the site on localhost
# make lab            opens the notebooks in JupyterLab
# make notebooks      runs the notebooks and stores what they show; NOTEBOOKS=book/03_elbo.ipynb for one
# make exercises      runs the solutions and makes the students' notebooks from them; CHAPTERS=4 for one
# make grade          grades a class: SUBMISSIONS=export.zip ASSIGNMENT=ch04; also ROSTER=class.csv, COURSE=folder
# make grading-test   the tests of that, in .venv-grading, which make grading sets up
# make colab-test     runs every notebook among Colab's packages, in .venv-colab, which make colab sets up
# make links          looks up every link out of the book (network)
# make address        writes REPOSITORY=https://github.com/me/my-fork to all places that name the repository
# make bench, make bench-site, make bench-grading   what training, an explorer and a submission cost
# make mutations      plants small faults and tells which command sees each (an hour)
# make pins           writes requirements.txt anew (needs uv)
# make clean          removes what was built; make distclean also .venv and its like
# Another Python: make book PYTHON=python3.12

PYTHON ?= python3
# The book stays with or without its solutions until the other is asked for: make serve never brings them back.
SOLUTIONS ?= $(or $(shell cat _build/book.stamp 2>/dev/null),1)
PY := .venv/bin/python
# Python compiles what is imported, and most of what is installed never is; it has to keep what it compiled.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(PY) -m pip install -qq --no-compile --disable-pip-version-check
# Colab's own is torch==2.11.0, of which not every index has a small build.
COLAB_TORCH ?= $(shell grep '^torch==' requirements.txt)

VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# The version is part of the name, so that another PYTHON= makes another .venv.
INSTALLED := .venv/installed-$(VERSION)
# A newer Python gets a note, an older one than the first is refused.
TRIED := 3.10 3.11 3.12 3.13
GRADER := .venv-grading/bin/python
SOURCES := _config.yml _toc.yml requirements.txt package-lock.json $(filter-out %.pyc book/solutions%,$(wildcard \
  book/* book/*/* exercises/source/*/* vae_lib/*.* vae_lib/*/*.* vae_lib/*/*/*.* site_extension/*.* site_extension/static/* tools/*.py))
# The stamp says whether the book that stands has solutions; another SOLUTIONS is a reason to build.
OTHER := $(if $(filter $(SOLUTIONS),$(shell cat _build/book.stamp 2>/dev/null)),,other)

book: _build/book.stamp
	@$(PY) -c 'from pathlib import Path; print("The book is at", Path("_build/html/index.html").absolute().as_uri())'

# What a test needs that the build made is in these folders; every other folder of tests/ belongs to make check.
BUILT := tests/chapters tests/site
WORKERS ?= 2
PYTEST := $(PY) -m pytest --durations=10 --durations-min=1

# Single tests move to the worker that is free.
check: lint
	@echo "Running the tests of the library, the explorers' scripts, the exercises and the texts"
	@$(PYTEST) -n $(WORKERS) --dist worksteal tests $(BUILT:%=--ignore=%)

test: check test-built

# The cells of a notebook need one worker, in their order.
test-built: _build/book.stamp
	@echo "Running the tests of the chapters, of the site in a browser, and the solutions of the exercises"
	@$(PYTEST) -n $(WORKERS) --dist loadfile $(BUILT) $(wildcard exercises/source)

install: $(INSTALLED)

help:
	@sed '/^$$/q; s/^# //' Makefile

serve: _build/book.stamp
	@$(PY) site_extension/serve.py _build/html

# pythae stays out of .venv, as nothing but this table needs it.
bench: $(INSTALLED)
	@test -d _build/pythae || $(PY) -m pip install -qq --disable-pip-version-check --no-deps --target _build/pythae \
	  -r tests/bench_requirements.txt || rm -rf _build/pythae
	@PYTHONPATH=_build/pythae $(PY) tests/bench_fit.py

bench-site: _build/book.stamp
	@PYTHONPATH=. $(PY) tests/bench_site.py

grading: .venv-grading/installed-$(VERSION)

colab: .venv-colab/installed-$(VERSION)

grade: .venv-grading/installed-$(VERSION)
	@test -n "$(SUBMISSIONS)" -a -n "$(ASSIGNMENT)" || { \
	  echo "make: say what to grade, such as make grade SUBMISSIONS=export.zip ASSIGNMENT=ch04" >&2; exit 1; }
	@$(GRADER) -m grading grade "$(SUBMISSIONS)" --assignment "$(ASSIGNMENT)" $(if $(ROSTER),--roster "$(ROSTER)") \
	  $(if $(COURSE),--course "$(COURSE)") $(if $(PART),--part "$(PART)")

grading-test: .venv-grading/installed-$(VERSION)
	@echo "Running the tests of the grading kit"
	@$(PYTEST:$(PY)%=$(GRADER)%) -n $(WORKERS) --dist loadfile tests/grading

bench-grading: .venv-grading/installed-$(VERSION)
	@$(GRADER) tests/bench_grading.py

colab-test: .venv-colab/installed-$(VERSION)
	@echo "Running every notebook among Colab's packages"
	@$(PYTEST) tests/colab/check_notebooks.py

# JupyterLab stays out of requirements.txt, which goes without it; what is pinned there stays as it is.
lab: $(INSTALLED)
	@$(PY) -c 'import jupyterlab' 2>/dev/null || $(PIP) -c requirements.txt jupyterlab==4.6.6
	@$(PY) -m jupyter lab --LabApp.default_url=/lab/tree/book

# Another address or version in pyproject.toml is no reason to install everything again; other pins are one.
address: $(if $(wildcard $(INSTALLED)),,$(INSTALLED))
	@$(PY) -m tools.address $(REPOSITORY)
	@test requirements.txt -nt $(INSTALLED) || touch -c $(INSTALLED) .venv-*/installed-*

lint: $(INSTALLED)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) tools/notebooks.py check
	@$(PY) -m tools.exercises check
	@$(PY) -m codespell_lib
	@$(PY) -m tools.npm eslint .
	@$(PY) -m tools.npm tsc -p .

# Plants small faults, one after the other, and tells which command sees each.
mutations: _build/book.stamp
	@$(PY) -m tools.mutations

links: $(INSTALLED)
	@$(PY) tools/links.py

notebooks: $(INSTALLED)
	@$(PY) tools/notebooks.py execute $(NOTEBOOKS)

exercises: $(INSTALLED)
	@$(PY) -m tools.exercises make $(CHAPTERS)

# The index and the graphics-card packages are left to the machine that installs.
pins:
	@{ sed -n '/^#/!q;p' requirements.txt; \
	  uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate requirements.in \
	  | grep -Ev '^(nvidia-|cuda-|triton)'; } > requirements.new && mv requirements.new requirements.txt
	@{ sed -n '/^#/!q;p' grading/requirements.txt; \
	  uv pip compile --quiet --universal --python-version 3.10 --no-header --no-annotate -c requirements.txt \
	  grading/requirements.in | grep -vxFf requirements.txt; } > requirements.new && mv requirements.new grading/requirements.txt

clean:
	@rm -rf _build build book/solutions *.egg-info .pytest_cache .ruff_cache .hypothesis
	@find vae_lib site_extension tools tests book grading exercises -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true
	@echo "Removed what was built; make distclean removes .venv and its like, too"

distclean: clean
	@rm -rf .venv .venv-colab .venv-grading node_modules

$(INSTALLED): requirements.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: $(PYTHON) was not found; the book needs Python 3.10 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "make: $(PYTHON) is Python $(VERSION); the book needs 3.10 or newer: make book PYTHON=python3.12" >&2; exit 1; }
	@$(if $(filter $(VERSION),$(TRIED)),,echo "make: nobody has tried the book with Python $(VERSION) yet; tried are $(TRIED)")
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: this Python has no venv module: apt install python3-venv" >&2; exit 1; }
	@echo "Installing the pinned packages into .venv with Python $(VERSION) (a few minutes, once)"
	@$(PYTHON) -m venv --clear .venv
	@$(PIP) -r requirements.txt
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch "$@"

.venv-colab/installed-$(VERSION): tests/colab/requirements.txt $(INSTALLED)
	@echo "Installing what Colab has into .venv-colab (a few minutes, once)"
	@$(PYTHON) -m venv --clear .venv-colab
	@$(PIP:.venv/%=.venv-colab/%) --no-deps -r tests/colab/requirements.txt
	@$(PIP:.venv/%=.venv-colab/%) $(COLAB_TORCH)
	@touch "$@"

# nbgrader beside the book's packages, which it borrows: what students run is what they ran before.
.venv-grading/installed-$(VERSION): $(INSTALLED) grading/requirements.txt
	@echo "Installing nbgrader into .venv-grading (a minute, once)"
	@$(PYTHON) -m venv --clear --without-pip .venv-grading
	@printf 'import site; site.addsitedir("%s")\n%s\n' "$(CURDIR)/.venv/lib/python$(VERSION)/site-packages" "$(CURDIR)" \
	  > .venv-grading/lib/python$(VERSION)/site-packages/book.pth
	@$(PY) -m pip --python $(GRADER) install -qq --no-compile --disable-pip-version-check --ignore-installed --no-deps -r grading/requirements.txt
	@$(PY) -m pip --python $(GRADER) check
	@touch "$@"

# Built beside the last good book and put in its place only when it is complete. Always from the
# start, as Sphinx forgets the warnings of pages that it does not read again; what notebooks
# computed is kept while they and vae_lib stay the same.
_build/book.stamp: $(INSTALLED) $(SOURCES) $(OTHER)
	@echo "Executing the notebooks and building the site (log: _build/book.log)"
	@mkdir -p _build && rm -rf _build/next
	@$(PY) -m tools.exercises pages $(if $(filter 0,$(SOLUTIONS)),--without)
	@.venv/bin/jupyter-book build . --toc _build/toc.yml -n -W --keep-going --path-output _build/next > _build/book.log 2>&1 || { \
	  grep -E 'WARNING:|ERROR:' _build/book.log; tail -n 12 _build/book.log; \
	  echo "make: the book was not built; the whole log is _build/book.log" >&2; exit 1; }
	@rm -rf _build/last && if [ -d _build/html ]; then mv _build/html _build/last; fi
	@mv _build/next/_build/html _build/html && rm -rf _build/next _build/last
	@echo $(SOLUTIONS) > "$@"

.PHONY: book check test test-built install help serve bench bench-site grading colab grade grading-test bench-grading \
  colab-test lab address lint mutations links notebooks exercises pins clean distclean other
