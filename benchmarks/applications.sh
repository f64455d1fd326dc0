#!/usr/bin/env bash
# What condensed data is for: continual learning and architecture search, on data at hand.
#   benchmarks/applications.sh DATA [NAME...] > benchmarks/results/applications.txt
# DATA holds FashionMNIST and cifar10_jpg; NAME is that of a pipeline below (all by default). Runs are kept in runs/applications.
# The methods of the class-incremental ones condense for about as long: iterations were chosen with idc estimate.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(realpath "$1")
wanted=" ${*:2} "
echo "$(python3 --version), $(nproc) cores, $(uname -m)"

run() {
    if [[ -n ${wanted// /} && $wanted != *" $(basename "$1" .toml) "* ]]; then
        return
    fi
    echo
    echo "idc run $1"
    local began=$SECONDS
    uv run idc run "$1" --data "$2" --out "runs/applications/$(basename "$1" .toml)" --processes "${PROCESSES:-auto}" --quiet --overwrite
    echo "$((SECONDS - began)) s"
}

mkdir -p runs/applications
uv run python benchmarks/applications/typed_digits.py runs/applications/typed-digits.npz
run pipelines/digits-class-incremental.toml "$data"
run pipelines/digits-architecture-search.toml "$data"
run benchmarks/applications/digits-search-longer.toml "$data"
run benchmarks/applications/digit-domains.toml runs/applications
for dataset in cifar10-jpeg fashion-mnist; do
    for method in fast dm dsa idc-i idc; do
        run "benchmarks/applications/$dataset-$method.toml" "$data"
    done
done
