"""Does bf16 cost accuracy? Fashion-MNIST, 1 image per class, IDC with the preset's network, three seeds.

    uv run python benchmarks/precision.py --data ../shared/data | tee benchmarks/results/precision.txt

Condenses in float32 and in bf16 and scores each of the two in each of the two: the preset, shortened to 160
inner steps with a longer step on the codes, and the protocol idc-2022 with 300 epochs.
"""

import argparse
import platform
import statistics
from pathlib import Path
from typing import Any, get_args

import torch

from idc import Pipeline, condense, evaluate
from idc.runtime.options import NumberFormat

PRESET = Path(__file__).parent.parent / "pipelines" / "fashion-mnist-ipc1-idc.toml"
LENGTHENED = 100
"""Factor of the preset's learning rate: the best in benchmarks/compare_methods.py for a run this short."""
CHANGES: dict[str, Any] = {
    "iterations": 4,
    "inner_steps": 40,
    "networks.images": 200,
    "compile": True,
    "baseline": [],
    "evaluate": [{"type": "retrain", "protocol": "idc-2022", "runs": 3, "epochs": 300}],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    print(
        f"torch {torch.__version__}, {platform.machine()}, {torch.get_num_threads()} threads; "
        f"seeds {given.seeds}, three networks each",
        flush=True,
    )
    precisions: tuple[NumberFormat, ...] = get_args(NumberFormat)
    scores: dict[tuple[NumberFormat, NumberFormat], list[float]] = {}
    plan = Pipeline.load(PRESET)
    plan = plan.override({**CHANGES, "optimizer.learning_rate": LENGTHENED * plan.optimizer.learning_rate})
    data = plan.dataset.load(given.data)
    for seed in given.seeds:
        for condensed in precisions:
            condensation = condense(plan.override({"seed": seed, "precision": condensed}), data, device="cpu")
            losses = [float(step.loss) for step in condensation]
            for scored in precisions:
                scorer = plan.override({"seed": seed, "precision": scored})
                (evaluation,) = evaluate(condensation.synset(), data, scorer, device="cpu")
                scores.setdefault((condensed, scored), []).extend(evaluation.values)
                how = f"condensed in {condensed} (last loss {losses[-1]:.1f}), scored in {scored}"
                print(f"seed {seed}: {how}: {evaluation.summary()} %", flush=True)
    print("\n| condensed in | scored in | accuracy, % | n |\n|---|---|---|---|")
    for (condensed, scored), values in scores.items():
        mean, sd = statistics.mean(values), statistics.stdev(values)
        print(f"| {condensed} | {scored} | {mean:.1f} ± {sd:.1f} | {len(values)} |")


if __name__ == "__main__":
    main()
