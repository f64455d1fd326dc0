#!/usr/bin/env bash
# What a user meets who has the four wheels and no clone: for each Python, with the oldest and the newest torch allowed, an empty
# environment and an empty folder; the quick start, a preset as one's own file, a new plugin with its tests, and the README's Python.
#
#     benchmarks/without_a_clone.sh > benchmarks/results/without_a_clone.txt
#
# PYTHONS (default "3.11 3.12 3.13") are versions that uv finds, or paths of interpreters. It needs 20 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
oldest=("torch==2.11.*" "torchvision==0.26.*")
newest=("torch>=2.11" "torchvision>=0.26")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv build --quiet --all-packages --wheel --out-dir "$folder/wheels"
rm "$folder"/wheels/idc_example_plugin-*
sed -n '/^## In Python/,/^```$/p' README.md | sed '1,/^```python/d; /^```$/d' > "$folder/readme.py"
echo "$(nproc) cores, $(uname -m)"

shown() {
    echo "\$ $*"
    "$@" 2> "$folder/errors" || { cat "$folder/errors"; return 1; }
}

try() {
    local python=$1
    shift
    local place=$folder/environment
    rm -rf "$place" "$folder/empty"
    uv venv --quiet --python "$python" "$place"
    (
        export VIRTUAL_ENV=$place PATH="$place/bin:$PATH" IDC_CACHE="$folder/empty/cache"
        mkdir "$folder/empty"
        cd "$folder/empty"
        echo
        echo "== $(python --version), $*"
        uv pip install --quiet "$folder"/wheels/*.whl "$@"
        shown idc --version
        shown idc presets | grep -E '^(\$|name|digits)'
        shown idc run digits --processes auto --quiet
        idc presets show digits-dance > digits-of-mine.toml
        shown idc run digits-of-mine.toml --set iterations=5 --set evaluate.0.epochs=20 --quiet
        shown idc new decoder my-decoder --out my-decoder
        uv pip install --quiet -e 'my-decoder[test]'
        shown pytest --quiet -p no:cacheprovider my-decoder
        shown python "$folder/readme.py"
    )
}

for python in ${PYTHONS:-3.11 3.12 3.13}; do
    try "$python" "${oldest[@]}"
    try "$python" "${newest[@]}"
done
