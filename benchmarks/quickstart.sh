#!/usr/bin/env bash
# The README's quick start with what the documentation shows of it: its picture, an estimate beforehand, and a
# network of torchvision trained on the result.
#
#     benchmarks/quickstart.sh > benchmarks/results/quickstart.txt
set -euo pipefail
cd "$(dirname "$0")/.."
echo "$(python3 --version), $(nproc) cores, $(uname -m)"
shown() {
    echo "\$ $*"
    "$@" 2>&1 | sed 's/ *$//'
    echo
}
shown uv run idc estimate pipelines/digits.toml
shown uv run idc run pipelines/digits.toml --processes auto --overwrite
shown uv run python examples/train_torchvision.py
cp runs/digits/images.png docs/digits.png
