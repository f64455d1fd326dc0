"""Every method on one dataset at the same stored budget, under the same evaluation.

    uv run python benchmarks/compare_methods.py --data ../shared/data --out runs/methods

Runs the presets of Fashion-MNIST at one image per class, shortened and with a narrower network, and scores
every synset by the protocol ``idc-2022`` with fewer epochs. Finished runs are kept in the folder, so the
script goes on where it stopped.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from idc import Pipeline, condense
from idc.experiment.score import baselines, evaluate

DATASET = "fashion-mnist-ipc1"
COMMON: dict[str, Any] = {"model.width": 32, "sampler.batch_size": 64}
EVALUATE: list[dict[str, Any]] = [
    {"type": "retrain", "protocol": "idc-2022", "runs": 3, "epochs": 300},
]
METHODS: dict[str, dict[str, Any]] = {
    "dc": {"iterations": 300},
    "dsa": {"iterations": 300},
    "dm": {"iterations": 600},
    "idc-i": {"iterations": 8, "inner_steps": 40, "networks.images": 200},
    "idc": {"iterations": 8, "inner_steps": 40, "networks.images": 200},
}
FACTORS = {"dc": (1, 3), "dsa": (1, 3), "dm": (1, 3), "idc-i": (10, 30, 100), "idc": (10, 30, 100)}
"""Learning rates tried with --tune, as factors of the preset's: shorter runs need longer steps."""
CHOSEN = {"dc": 1, "dsa": 1, "dm": 1, "idc-i": 100, "idc": 100}
"""The best by one run with a seed that is not used again; for DC the published one, which was 0.8 below."""
TUNING_SEED = 1000


def main() -> None:
    arguments = _arguments()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    done = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for seed in [TUNING_SEED] if arguments.tune else arguments.seeds:
        for method in arguments.methods:
            for factor in FACTORS[method] if arguments.tune else (CHOSEN[method],):
                if any((row["run"], row["seed"], row["factor"]) == (method, seed, factor) for row in done):
                    continue
                rows = list(_scores(method, factor, seed, arguments))
                done += rows
                with results.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)
    if not arguments.tune:
        _show([row for row in done if row["seed"] != TUNING_SEED], arguments)
        print(
            f"\nlearning rates tried with seed {TUNING_SEED}: factor of the preset's, mean of three networks"
        )
        for row in sorted(done, key=lambda row: (row["run"], row["factor"])):
            if row["seed"] == TUNING_SEED:
                print(f"{row['run']:<10}{row['factor']:>8}{statistics.fmean(row['values']):>7.1f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--out", type=Path, default=Path("runs/methods"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS))
    parser.add_argument("--tune", action="store_true", help="try the learning rates instead")
    return parser.parse_args()


def _pipeline(method: str, factor: float, seed: int) -> Pipeline:
    here = Path(__file__).parent
    path = (here if method == "dm" else here.parent / "pipelines") / f"{DATASET}-{method}.toml"
    # What is not condensed is scored beside IDC, because it does not depend on the method; the coresets,
    # which take a network trained on all real images, for the first seed alone.
    names = ("random", "herding", "k-center") if seed == 0 else ("random",)
    coresets = [{"name": name, "init": {"type": name}, "decoder": {"type": "raw"}} for name in names]
    mix = {"name": "mix", "init": {"type": "mix"}, "decoder": {"type": "multiformation", "factor": 2}}
    beside = [*coresets, mix] if method == "idc" and seed != TUNING_SEED else []
    rate = Pipeline.load(path).optimizer.learning_rate * factor
    changes = {"optimizer.learning_rate": rate, "baseline": beside, "evaluate": EVALUATE, "seed": seed}
    return Pipeline.load(path, {**COMMON, **METHODS[method], **changes})


def _scores(method: str, factor: float, seed: int, arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    pipeline = _pipeline(method, factor, seed)
    data = pipeline.dataset.load(arguments.data)
    began = time.perf_counter()
    condensation = condense(pipeline, data, device=arguments.device)
    losses = [float(step.loss) for step in condensation]
    seconds = time.perf_counter() - began
    synset = condensation.synset()
    if seed != TUNING_SEED:
        synset.save(arguments.out / f"{method}-{seed}.safetensors")
    for each in [*baselines(pipeline, data, device=arguments.device), synset]:
        (evaluation,) = evaluate(each, data, pipeline, device=arguments.device)
        row = {
            "run": method,
            "method": each.name,
            "seed": seed,
            "factor": factor,
            "learning_rate": pipeline.optimizer.learning_rate,
            "values": evaluation.values,
            "budget": evaluation.budget,
            "model": evaluation.model,
            "protocol": evaluation.protocol,
            "steps": len(losses) if each is synset else 0,
            "seconds": round(seconds, 1) if each is synset else 0.0,
            "loss": [losses[0], losses[-1]] if each is synset else None,
        }
        print(json.dumps(row), flush=True)
        yield row


def _show(rows: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    print(f"\n{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}")
    print(f"{DATASET}, {rows[0]['model']}, {rows[0]['protocol']}, seeds {arguments.seeds}")
    print(f"{'method':<10}{'stored':>8}{'steps':>7}{'mean':>7}{'sd':>6}{'n':>4}{'seconds':>9}")
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["method"], []).append(row)
    order = sorted(
        found.items(), key=lambda item: statistics.fmean(v for row in item[1] for v in row["values"])
    )
    for method, same in order:
        values = [value for row in same for value in row["values"]]
        print(
            f"{method:<10}{same[0]['budget']:>8,}{same[0]['steps']:>7}"
            f"{statistics.fmean(values):>7.1f}{statistics.stdev(values):>6.1f}{len(values):>4}"
            f"{statistics.fmean(row['seconds'] for row in same):>9.0f}"
        )


if __name__ == "__main__":
    main()
