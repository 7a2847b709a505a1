#!/usr/bin/env bash
# Builds wheel and sdist into dist/, installs the wheel alone into a clean environment, and tries it there.
set -euo pipefail
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
rm -rf dist
python3 -m venv "$place/tools"
"$place/tools/bin/python" -m pip install --quiet build twine
"$place/tools/bin/python" -m build --outdir dist
"$place/tools/bin/python" -m twine check --strict dist/*
python3 -m venv "$place/clean"
"$place/clean/bin/python" -m pip install --quiet -c constraints.txt dist/*.whl
cd "$place"
clean/bin/gan-train --version --verbose
clean/bin/gan-train dry_run=true
clean/bin/gan-train train.steps=2 train.log_every=1 hydra.run.dir=run
test -s run/summary.json
