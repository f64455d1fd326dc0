#!/usr/bin/env bash
# The README's quick start, and the picture it leaves.
#
#     benchmarks/quickstart.sh > benchmarks/results/quickstart.txt
set -euo pipefail
cd "$(dirname "$0")/.."
echo "$(python3 --version), $(nproc) cores, $(uname -m)"
echo '$ uv run idc run pipelines/digits.toml'
uv run idc run pipelines/digits.toml --overwrite 2>&1 | sed 's/ *$//'
cp runs/digits/images.png docs/digits.png
