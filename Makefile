# Thin names for commands. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help run test soak check format up down clean install install-superset install-system pins benchmark golden

BIN := .venv/bin
PYTHON ?= python3.11
export PYTHON

help: ## 列出命令 / list the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 26

run: install ## 从零到发布：示范世界经 Airflow、闸门、dbt 到报告 / from nothing to a release and a report, through the real DAGs
	@$(BIN)/tanlian run

up: install install-superset ## 启动 Airflow 与 Superset（本机） / start Airflow and Superset on loopback
	@$(BIN)/tanlian up

down: ## 停止它们 / stop them
	@$(BIN)/tanlian down

test: install install-superset install-system ## 安装所需并运行全部测试 / set everything up and run all tests
	@$(BIN)/python -m pytest -n 2 --dist loadgroup

soak: install ## 长时间的可靠性测试，数字见 docs/reliability.md / the long reliability tests; their figures stand in docs/reliability.md
	@$(BIN)/python -m pytest -m soak

check: install ## 格式、类型、SQL、生成文件与家规 / format, lint, types, SQL lint, generated files, house tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/tanlian contracts --check
	@$(BIN)/python -m dashboards.assets --check
	@cd dbt_project && TANLIAN_WAREHOUSE=:memory: ../$(BIN)/sqlfluff lint models tests/*.sql --disable-progress-bar --nocolor
	@$(BIN)/python -m pytest tests/house

format: install ## 整理格式 / format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/tanlian contracts

benchmark: install ## 与裸脚本对比的速度 / speed against a bare script
	@$(BIN)/python -m benchmarks

pins: ## 重新编译依赖版本 / compile the pins again
	@uv pip compile requirements/pipeline.in -p 3.11 --no-header --no-annotate --override requirements/override.txt -o requirements/pipeline.txt --quiet
	@uv pip compile requirements/superset.in -p 3.11 --no-header --no-annotate -o requirements/superset.txt --quiet

install:
	@requirements/install.sh pipeline

install-superset:
	@requirements/install.sh superset

install-system:
	@requirements/system.sh

clean: ## 删除环境与数据目录 / remove the environments and the data directory
	@[ ! -x $(BIN)/tanlian ] || $(BIN)/tanlian down
	rm -rf .venv .venv-superset .cache data report.html .pytest_cache .ruff_cache .mypy_cache dbt_project/target dbt_project/logs
