"""What DD-Ranking's scores compare, by idc and by its public package, from the same networks: is it the same?

    uv run python benchmarks/dd_ranking.py --reference PATH_TO_CHECKOUT

PATH is a checkout of github.com/NUS-HPC-AI-Lab/DD-Ranking, which also needs timm and pandas. Both sides get
the same images, initial weights and teacher, train on whole batches in float64, and test once, after the last
epoch. Augmentation is a flip of every image. Changed in the package are the data and what draws and builds
the above, a schedule that one of its classes is not given, and a teacher that another one does not find.
"""

import argparse
import contextlib
import io
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from idc.data.split import RealData, Split
from idc.kinds import EvaluatorInputs
from idc.seeding import Streams
from idc.stages.datasets.digits import Digits
from idc.stages.evaluators.dd_ranking import HARD, OWN, PLAIN, WHOLE, DDRanking, Selection
from idc.training.preprocessing import Preprocessing
from idc_models.convnet import ConvNet

RUNS, EPOCHS, PER_CLASS, SIZE, WIDTH, BATCH = 3, 20, 2, 8, 16, 2000
MODEL = ConvNet(width=WIDTH)
NAMES = ("dataset", "CIFAR10"), ("model_name", "ConvNet-3")
"""A combination that the package has settings of, which are those below."""
METRICS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "hard labels": ("hard_label", "LabelRobustScoreHard", ("hard-label recovery", "improvement over random")),
    "soft labels": ("soft_label", "LabelRobustScoreSoft", ("hard-label recovery", "improvement over random")),
    "augmentation": (
        "aug_robust",
        "AugmentationRobustScore",
        ("improvement over random", "improvement over random without augmentation"),
    ),
}
"""The package's modules and classes, and what they save of each run beside the score."""
FLIP = {"type": "kornia", "name": "RandomHorizontalFlip", "arguments": {"p": 1.0}}


def normalised(split: Split) -> Tensor:
    return Preprocessing(split.spec)(split.images())


class Images:
    """The real and the synthetic images of both sides, and a teacher."""

    def __init__(self) -> None:
        data = Digits(size=SIZE).load(Path())
        self.data = RealData(_coloured(data.train), _coloured(data.test))
        self.spec = self.data.spec
        self.synthetic = self._some(Streams(7))
        evaluator = DDRanking.model_validate({"training": {"batch_size": 64}})
        self.teacher = MODEL.fresh(self.spec, Streams(1))
        for further in evaluator.trained(self.teacher, self.data.train, 10, first_rate=0.1):
            self.teacher = further

    def random(self, run: int) -> Split:
        """Those that the evaluator draws in a run."""
        chosen: list[Split] = []
        evaluator = DDRanking.model_validate({"epochs": 1, "learning_rates": []})
        self.scored(evaluator, Selection(PER_CLASS, True).subject, run, self.synthetic, chosen)
        return chosen[0]

    def labelled(self, split: Split) -> Split:
        """With the teacher's labels."""
        return replace(split, labels=self.logits(split).softmax(1))

    @torch.no_grad()
    def logits(self, split: Split) -> Tensor:
        """The teacher's."""
        with self.teacher.evaluating():
            return self.teacher.logits(normalised(split))

    def scored(
        self,
        evaluator: DDRanking,
        subject: str,
        run: int,
        synthetic: Split,
        chosen: list[Split] | None = None,
    ) -> dict[str, float]:
        """Accuracies by idc."""

        def label(real: Split) -> Split:
            if chosen is not None:
                chosen.append(real)
            return self.labelled(real)

        codes = {"images": synthetic.images()}
        inputs = EvaluatorInputs(evaluator.needs, self.data, subject, synthetic, PER_CLASS, codes, label)
        scores = evaluator.score(inputs, MODEL, Streams(0).child(run), lambda fraction: None)
        return {metric[0]: score for metric, score in scores.items()}

    def _some(self, streams: Streams) -> Split:
        members = self.data.train.members
        orders = [torch.randperm(len(each), generator=streams.generator(n)) for n, each in enumerate(members)]
        rows = [each[order[:PER_CLASS]] for each, order in zip(members, orders, strict=True)]
        return self.data.train.at(torch.cat(rows))


def _coloured(split: Split) -> Split:
    """With three channels, the only number that the package builds networks for."""
    spec = split.spec.model_copy(
        update={"channels": 3, "mean": split.spec.mean * 3, "std": split.spec.std * 3}
    )
    return Split(split.images().double().repeat(1, 3, 1, 1), split.labels, spec)


class Package:
    """The classes of a checkout, with our images, weights and teacher."""

    def __init__(self, checkout: Path, images: Images) -> None:
        if not (checkout / "ddranking/metrics").is_dir():
            sys.exit(f"--reference: {checkout} has no ddranking/metrics; give a checkout of DD-Ranking")
        sys.path.insert(0, str(checkout))
        # Any: what a checkout holds is not known here.
        self._networks: Any = import_module("ddranking.utils.networks")
        self._training: Any = import_module("ddranking.utils.train_and_eval")
        self._training.REAL_DATA_TRAINING_CONFIG["CIFAR10-ConvNet-3"]["step_size"] = EPOCHS // 2
        self._images, self._randoms = images, [images.random(run) for run in range(RUNS)]
        self._run, self._saved = -1, dict[str, list[float]]()

    def differences(self, labels: str) -> list[list[float]]:
        """What one of its classes saves of each run, without the score, which it computes of percentages."""
        module_name, class_name, _ = METRICS[labels]
        module: Any = import_module(f"ddranking.metrics.{module_name}")
        self._run = -1
        self._patch(module)
        soft: dict[str, Any] = {
            "soft_label_mode": "S",
            "soft_label_criterion": "sce",
            "loss_fn_kwargs": {"temperature": 1.0},
            "teacher_model_names": ["ConvNet-3"],
        }
        batches = {"real_batch_size": BATCH, "syn_batch_size": BATCH}
        own = {
            "hard labels": {**batches, "eval_full_data": True, "step_size": EPOCHS // 2},
            "soft labels": {**batches, **soft, "eval_full_data": True, "step_size": EPOCHS // 2},
            "augmentation": {**soft, "batch_size": BATCH},
        }[labels]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            metric = getattr(module, class_name)(
                **dict(NAMES), **own, ipc=PER_CLASS, num_eval=RUNS, num_epochs=EPOCHS, num_workers=0,
                im_size=(SIZE, SIZE), data_aug_func="none", save_path="./nothing", device="cpu",
                random_data_format="tensor",
            )  # fmt: skip
            metric.aug_func = lambda images: images.flip(3)
            metric.teacher_model, metric.test_interval = self._network(pretrained=True), EPOCHS
            synthetic = self._images.synthetic
            given = {} if labels == "hard labels" else {"soft_labels": self._images.logits(synthetic)}
            metric.compute_metrics(normalised(synthetic), **given)
        *differences, _ = self._saved.values()
        return differences

    def _patch(self, module: Any) -> None:
        images, schedule = self._images, self._training.get_lr_scheduler
        classes = len(images.spec.classes)
        numbers = {label: label for label in range(classes)}
        train, test = _pairs(images.data.train), _pairs(images.data.test)
        found = (3, (SIZE, SIZE), (0.0,) * 3, (1.0,) * 3, classes, train, test, test, numbers, numbers)
        module.get_dataset = lambda *_: found
        module.build_model = self._network
        module.set_seed = self._begin
        module.get_random_data_tensors = lambda *_: (normalised(self._random), self._random.labels)
        module.save_results = lambda results, _: setattr(self, "_saved", results)
        module.get_lr_scheduler = lambda name, optimizer, *_: schedule(name, optimizer, step_size=EPOCHS // 2)

    def _begin(self) -> None:
        self._run += 1

    @property
    def _random(self) -> Split:
        return self._randoms[self._run]

    def _network(self, *_: Any, pretrained: bool = False, **__: Any) -> nn.Module:
        fresh = MODEL.fresh(self._images.spec, Streams(0).child(self._run))
        weights = (self._images.teacher if pretrained else fresh).weights
        shape = (
            3,
            len(self._images.spec.classes),
            WIDTH,
            3,
            "relu",
            "instancenorm",
            "avgpooling",
            (SIZE, SIZE),
        )
        network = self._networks.ConvNet(*shape)
        homes = {f"features.{4 * block}": f"layers.conv.{block}" for block in range(3)}
        homes |= {f"features.{4 * block + 1}": f"layers.norm.{block}" for block in range(3)}
        places = {name: name.rpartition(".") for name in network.state_dict()}
        network.load_state_dict(
            {name: weights[f"{homes.get(home, home)}.{kind}"] for name, (home, _, kind) in places.items()}
        )
        return network.eval()


def _pairs(split: Split) -> Any:
    dataset: Any = torch.utils.data.TensorDataset(normalised(split), split.labels)
    dataset.targets = split.labels.tolist()
    return dataset


def ours(images: Images, labels: str) -> list[list[float]]:
    """The same by idc."""
    training = {"augment": [FLIP], "batch_size": BATCH}
    fields = {"epochs": EPOCHS, "whole_epochs": EPOCHS, "tuned_on": "test", "training": training}
    evaluator = DDRanking.model_validate(fields)
    soft = labels != "hard labels"
    synthetic = images.labelled(images.synthetic) if soft else images.synthetic
    found: list[list[float]] = []
    for run in range(RUNS):
        whole, own, random = (
            images.scored(evaluator, subject, run, synthetic)
            for subject in (WHOLE, "synset", Selection(PER_CLASS, soft).subject)
        )
        improvement, plain = own[OWN] - random[OWN], own[PLAIN] - random[PLAIN]
        found.append(
            [improvement, plain] if labels == "augmentation" else [whole[HARD] - own[HARD], improvement]
        )
    return [list(each) for each in zip(*found, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--reference", type=Path, required=True)
    torch.set_default_dtype(torch.float64)
    images = Images()
    package = Package(parser.parse_args().reference, images)
    print(f"percentage points, {RUNS} runs; one test image is {100 / len(images.data.test):.2f}")
    for labels, (_, class_name, names) in METRICS.items():
        both = zip(names, package.differences(labels), ours(images, labels), strict=True)
        for name, theirs, own in both:
            for side, values in (("public package", theirs), ("idc", own)):
                print(f"{class_name:24} {name:44} {side:14}", *(f"{value:7.2f}" for value in values))


if __name__ == "__main__":
    main()
