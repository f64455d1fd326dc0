#!/usr/bin/env bash
# The README's two commands as a newcomer meets them: a clone of the last commit in an empty folder, an empty
# virtual environment, an empty uv cache. Prints wall times, the quick start's output and each package's size.
#
#     benchmarks/fresh_clone.sh > benchmarks/results/fresh_clone.txt
set -euo pipefail
repository=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet "$repository" "$folder/idc"
cd "$folder/idc"
python3 -m venv "$folder/python"
PATH="$folder/python/bin:$PATH"
export UV_CACHE_DIR="$folder/cache" VIRTUAL_ENV=

echo "$(python3 --version), $(nproc) cores, $(uname -m)"
timed() {
    local began=$SECONDS
    echo "\$ $1"
    bash -c "$1" 2>"$folder/errors" || { cat "$folder/errors"; return 1; }
    echo "[$((SECONDS - began)) s]"
    echo
}
timed "pip install --quiet uv && uv sync --quiet"
timed "pip install uv --quiet && uv run idc run pipelines/digits.toml --processes auto"
timed "pip install uv --quiet && uv run pytest --quiet"
echo "lines of Python:"
for package in packages/*; do
    echo "  $package: $(find "$package" -name '*.py' -print0 | xargs -0 cat | wc -l)"
done
echo "  examples/plugin: $(find examples/plugin/src -name '*.py' -print0 | xargs -0 cat | wc -l)"
echo "  tests: $(find tests -name '*.py' -print0 | xargs -0 cat | wc -l)"
