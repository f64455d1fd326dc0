#!/usr/bin/env bash
# What condensed data is for: continual learning and architecture search, on data at hand.
#   benchmarks/applications.sh DATA > benchmarks/results/applications.txt
# DATA holds FashionMNIST and cifar10_jpg. Runs are kept in runs/applications.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath "$1")
echo "$(python3 --version), $(nproc) cores, $(uname -m)"

run() {
    echo
    echo "idc run $1"
    local began=$SECONDS
    uv run idc run "$1" --data "$2" --out "runs/applications/$(basename "$1" .toml)" --processes auto --quiet --overwrite
    echo "$((SECONDS - began)) s"
}

mkdir -p runs/applications
uv run python benchmarks/applications/typed_digits.py runs/applications/typed-digits.npz
run pipelines/digits-class-incremental.toml "$data"
run pipelines/digits-architecture-search.toml "$data"
run benchmarks/applications/digit-domains.toml runs/applications
for method in fast dm idc-i; do
    for dataset in cifar10-jpeg fashion-mnist; do
        run "benchmarks/applications/$dataset-$method.toml" "$data"
    done
done
