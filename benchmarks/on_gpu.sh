#!/usr/bin/env bash
# What a GPU is asked first, in order of importance, in 25 minutes and without any network. Each part writes its result as it goes.
#
#     benchmarks/on_gpu.sh gather FOLDER DATA REFERENCE     # here: wheels, data and IDC's public code in one folder
#     benchmarks/on_gpu.sh run FOLDER OUT [--device cpu] [--quick] [PART...]      # there, in a copy of the repository
#
# DATA holds FashionMNIST and cifar10_jpg; of the second, half of the training images travel. PARTs: tests, versus-reference, floor,
# fashion-mnist, cifar10-jpeg (time to accuracy); all by default. Where a command may take ten minutes only: tests and versus-reference,
# then the others two by two. The other machine has Python 3.12 (else set PYTHON_VERSION for gather) with torch and torchvision; PYTHON
# names its interpreter (default python3).
# --quick makes every part as short as it can be, so that on a CPU the script itself is tried from end to end.
set -euo pipefail
cd "$(dirname "$0")/.."

LARGEST=$((64 * 2 ** 20)) # bytes of the repository and the folder, which travel together

gather() {
    local folder data=$2 reference=$3
    folder=$(realpath -m "$1")
    rm -rf "$folder"
    mkdir -p "$folder/wheels"
    uv build --quiet --all-packages --wheel --out-dir "$folder/wheels"
    # What they and the tests need for the other machine's Python, but for torch, torchvision and what these bring, and for pictures
    # and what only scikit-learn's functions need: they are large, and the folder must travel.
    {
        uv export --quiet --no-default-groups --all-packages --no-hashes --no-emit-workspace --no-annotate --no-header |
            grep -vE '^(torch|torchvision|triton|nvidia-|cuda-|numpy|pillow|sympy|mpmath|networkx|jinja2|markupsafe|filelock|fsspec|setuptools|scipy|joblib|threadpoolctl|narwhals|cloudpickle|matplotlib|fonttools|kiwisolver|contourpy|cycler|pyparsing|python-dateutil|six)'
        uv pip freeze --quiet | grep -E '^(pytest|pytest-xdist|pluggy|iniconfig|execnet|beartype)=='
    } > "$folder/requirements.txt"
    uv run --quiet --with pip python -m pip download --quiet --no-deps --dest "$folder/wheels" --only-binary=:all: \
        --python-version "${PYTHON_VERSION:-3.12}" --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_27_x86_64 --requirement "$folder/requirements.txt"
    digits "$folder"/wheels/scikit_learn-*.whl
    (cd "$data" && find FashionMNIST cifar10_jpg -type f ! -path '*/train/*/2[5-9]*' ! -path '*/train/*/[34]*' -print0 | sort -z) |
        tar --create --xz --dereference --file "$folder/data.tar.xz" --directory "$data" --null --files-from -
    mkdir "$folder/reference"
    (cd "$reference" && find . -name '*.py' -exec cp --parents {} "$folder/reference" \;)
    du -sch "$folder"/*
    local size
    size=$({ git ls-files -coz --exclude-standard && find "$folder" -type f -print0; } | du --files0-from=- -cb | tail -1 | cut -f1)
    ((size <= LARGEST)) || { echo "the repository and $folder have $size bytes, more than $LARGEST" >&2 && exit 1; }
}

# Leaves only the digits in scikit-learn's wheel: idc reads the file and imports nothing.
digits() {
    local whole=$1.whole
    mv "$1" "$whole"
    uv run --quiet python - "$whole" "$1" << 'END'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as whole, zipfile.ZipFile(sys.argv[2], "w") as part:
    part.writestr("sklearn/__init__.py", "")
    name = "sklearn/datasets/data/digits.csv.gz"
    part.writestr(name, whole.read(name))
END
    rm "$whole"
}

run() {
    local folder out device=cuda quick=
    folder=$(realpath "$1") out=$2
    shift 2
    local parts=()
    while (($#)); do
        case $1 in
            --device) device=$2 && shift 2 ;;
            --quick) quick=yes && shift ;;
            *) parts+=("$1") && shift ;;
        esac
    done
    ((${#parts[@]})) || parts=(tests versus-reference floor fashion-mnist cifar10-jpeg)
    mkdir -p "$out"
    out=$(realpath "$out")
    local python=${PYTHON:-python3} site
    # The same one for several calls, but not for another folder's wheels.
    site=/tmp/idc-site-$(cat "$folder"/wheels/*.whl "$folder/data.tar.xz" | sha256sum | cut -c1-12)
    [[ -e $site/complete ]] || unpack
    export PYTHONPATH=$site IDC_CACHE=$site/cache PYTHONUNBUFFERED=1
    # Nothing is worth trying where this fails, as with wheels for another Python.
    "$python" -c 'import idc.condensation.loop, idc_augment.kornia, idc_cli.main, pytest, xdist'
    "$python" -c 'import platform, torch; print(platform.python_version(), torch.__version__, torch.cuda.is_available())' |
        tee "$out/machine.txt"
    for part in "${parts[@]}"; do
        echo "== $part"
        # One part that fails does not keep the next from running.
        "${part//-/_}" 2>&1 | tee "$out/$part.txt" || echo "$part failed" | tee -a "$out/$part.txt"
    done
}

unpack() {
    rm -rf "$site"
    mkdir -p "$site/data"
    # Wheels are archives of what is installed.
    for wheel in "$folder"/wheels/*.whl; do
        "$python" -m zipfile --extract "$wheel" "$site"
    done
    # Not tar, which may lack xz there.
    "$python" -m tarfile --extract "$folder/data.tar.xz" "$site/data"
    touch "$site/complete"
}

# Interrupted, so that what is finished is still said.
within() {
    timeout --signal INT --kill-after 10 "$@"
}

tests() {
    within 200 "$python" -m pytest -v -p no:cacheprovider -n 0 tests/core/condensation/test_gpu.py
}

versus_reference() {
    local short=()
    [[ $quick ]] && short=(--width 0.0625 --rounds 1)
    local compare=("$python" benchmarks/versus_reference.py --reference "$folder/reference" --device "$device" "${short[@]}")
    within 230 "${compare[@]}"
    within 120 "${compare[@]}" --case inner-step network-update --classes-at-once auto
    within 60 "${compare[@]}" --case inner-step network-update --eager
}

floor() {
    local short=()
    [[ $quick ]] && short=(--width 0.0625 --rounds 1)
    within 150 "$python" benchmarks/floor.py --device "$device" "${short[@]}"
}

fashion_mnist() {
    accuracy fashion-mnist
}

cifar10_jpeg() {
    accuracy cifar10-jpeg
}

accuracy() {
    local short=(--minutes 2)
    [[ $quick ]] && short=(--minutes 1 --networks 1 --epochs 2)
    within 350 "$python" benchmarks/time_to_accuracy.py --reference "$folder/reference" --data "$site/data" --device "$device" \
        --datasets "$1" --ipc 10 --methods public-code fast --out "$site/synsets" --lines "$out/$1.jsonl" "${short[@]}"
}

case ${1:-} in
    gather) shift && gather "$@" ;;
    run) shift && run "$@" ;;
    *) sed -n '2,12p' "$0" && exit 2 ;;
esac
