# Two commands do everything on a machine with Python 3.11 to 3.13, git and make:
#   make night   install, make the data, run tonight's quick line-up, show the leaderboard
#   make test    install, run the tests
# uv is bootstrapped into .uv, everything else goes into .venv.

UV := .uv/bin/uv
RUN := $(UV) run --frozen
export UV_PYTHON_PREFERENCE ?= system

.PHONY: night test test-slow faults lint bench docs install
.DEFAULT_GOAL := help

help:
	@sed -n 's/^#  */  /p' Makefile

$(UV):
	python3 -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'

install: .venv/.installed

.venv/.installed: pyproject.toml uv.lock | $(UV)
	$(UV) sync --frozen --quiet --compile-bytecode
	@touch $@

night: install
	@$(RUN) zoo data make
	@$(RUN) zoo night --lineup quick
	@$(RUN) zoo leaderboard
	@echo "Next, after '. .venv/bin/activate':"
	@echo "  zoo pull siamfc.collage-track@champion ./siamfc            a model to use: zoo.load('siamfc')"
	@echo "  zoo night --lineup mini                                    train every family for real, minutes each"
	@echo "  zoo up                                                     boards, curves and pictures in a browser"

test: install
	$(RUN) pytest -m "not slow" -n 2

# The longer tests: kills, whole nights, an MLflow server.
test-slow: install
	$(RUN) pytest -m "slow and not servers" -n 2

# What needs whole servers, clocks and patience: schedules, the team's programs, a short form of the faults.
test-servers: install
	$(RUN) pytest -m servers

# Kills, full disks, lost servers: what disturbing many small nights costs, as a table. MINUTES=30 goes on for so long.
faults: install
	FAULTS_MINUTES=$(or $(MINUTES),0) FAULTS_ONLY='$(ONLY)' $(RUN) pytest tests/faults -s -q --timeout 0

lint: install
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) lint-imports

bench: install
	$(RUN) python tests/bench/loop.py
	$(RUN) python tests/bench/steps.py
	$(RUN) python tests/bench/metrics.py
	$(RUN) python tests/bench/planning.py

# The pages of the tasks, from their interfaces.
docs: install
	$(RUN) python docs/generate.py
