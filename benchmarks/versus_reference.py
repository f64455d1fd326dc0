"""The same work by idc and by IDC's public code, side by side in one process: is it the same, and how fast?

    uv run python benchmarks/versus_reference.py --reference PATH_TO_CHECKOUT [--case inner-step …]

PATH is a checkout of github.com/snu-mllab/Efficient-Dataset-Condensation. Rounds alternate; times are
medians. Both sides get the same network, images, batch sizes, threads, allocator and matmul precision. The
public code computes in float32 only, so that bf16 is compared with that.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from cases import (
    CIFAR10,
    arguments,
    begin,
    colour_images,
    compiled,
    machine,
    narrowed,
    prepared,
    random_images,
    wait,
)
from reference import Reference, dealt, quiet
from torch import Tensor

from idc.condensation.inner_step import Matching
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.network.network import Network
from idc.runtime.execution import Execution
from idc.runtime.options import NumberFormat
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc.stages.evaluators.retrain import Retrain
from idc.stages.initializers.features import Features
from idc.stages.initializers.herding import herded
from idc.stages.networks.real import Real
from idc.synset.codes import decode, decode_class
from idc.training.preprocessing import Preprocessing

CASES = ("inner-step", "inner-step-factor-1", "network-update", "evaluation", "resnetap-224", "herding")
EPOCHS = 4
"""Of each network in the case ``evaluation``; every epoch is the same work."""


@dataclass(frozen=True)
class Side:
    """A function of each side that does the same work."""

    peer: Callable[[], object]
    ours: Callable[[], object]


class Dealer:
    """In place of the public code's loader: gives each class the images it is told."""

    def __init__(self, batches: dict[int, tuple[Tensor, Tensor]]) -> None:
        self.class_sample = batches.__getitem__


def single(values: list[float]) -> tuple[float, ...]:
    """As the public code has them: rounded to float32."""
    return tuple(torch.tensor(values).double().tolist())


def weights_of(network: Network, module: torch.nn.Module) -> Network:
    """Our network with the weights of theirs, which have the same names and order."""
    theirs = dict(module.named_parameters())
    return replace(
        network,
        weights={
            name: given.detach().clone().to(weight)
            for (name, weight), given in zip(network.weights.items(), theirs.values(), strict=True)
        },
    )


class Bench:
    """Both sides of every case, on one device."""

    def __init__(
        self,
        checkout: Path,
        device: str,
        width: float,
        *,
        eager: bool = False,
        classes_at_once: int | Literal["auto"] = 1,
    ) -> None:
        self.checkout, self.device, self.width = checkout, torch.device(device), width
        self.eager = eager
        self.classes_at_once: int | Literal["auto"] = classes_at_once
        self.reference = Reference(checkout, device, width=width)

    def agreement(self) -> float:
        """Largest relative difference of the codes after two inner steps, same state and draws, float64."""
        their, plan, spec = self.reference, self.plan(), self.spec(32)
        split = random_images(spec, 100)
        split = Split(split.images().double(), split.labels, spec).to(self.device)
        preprocessing = Preprocessing(spec, plan.augment, self.device, torch.float64)
        start = split.images()[::10].unflatten(0, (10, 10)).clone()
        codes = {"images": start}
        state = plan.optimizer.initial_state(codes)
        decoded = len(decode_class(plan.decoder, codes, 0, 10, spec))
        matching = Matching(plan, split, preprocessing, Streams(0), decoded, range(len(split.spec.classes)))
        module = their.network().double()
        network = weights_of(plan.model.fresh(spec, Streams(0), self.device), module)
        network = replace(
            network, weights={name: weight.double() for name, weight in network.weights.items()}
        )

        synset, (augment, _) = their.synset(codes["images"]), their.augmentations()
        optimizer = torch.optim.SGD([synset.data], lr=plan.optimizer.learning_rate, momentum=0.5)
        for step in range(2):
            uniforms: list[float] = []
            integers: list[int] = []
            batches: dict[int, tuple[Tensor, Tensor]] = {}
            for label, inputs in matching.draws(matching.rows, step, {}).items():
                draw = {name: tensor[0] for name, tensor in inputs.draws[0].parameters.items()}
                uniforms += [
                    float(draw["brightness.offset"].double() + 0.5),
                    float(draw["saturation.factor"].double() / 2),
                    float(draw["contrast.factor"].double() - 0.5),
                ]
                # Which of one spatial operation; then shifts and the centre of the box.
                names = ("crop.rows", "crop.columns", "cutout.row", "cutout.column")
                integers += [0, *(int(draw[name]) for name in names)]
                batch = split.batch(inputs.real)
                batches[label] = (batch.images, batch.labels)
            with dealt(uniforms, integers):
                their.sweep(Dealer(batches), synset, module, optimizer, augment)
            codes = plan.optimizer.before_gradients(codes, state, step)
            gradients = matching(network, codes, step).gradients
            codes, state = plan.optimizer.update(codes, state, gradients, step)
        moved = synset.data.detach().double().unflatten(0, (10, 10)) - start
        difference = codes["images"] - start - moved
        return float(difference.abs().max() / moved.abs().max())

    def sides(self, case: str, precision: NumberFormat) -> Side:
        """Both sides of a case."""
        match case:
            case "inner-step":
                return self.inner_step(CIFAR10, 2, precision)
            case "inner-step-factor-1":
                return self.inner_step("cifar10-ipc10-idc-i", 1, precision)
            case "network-update":
                return self.inner_step(CIFAR10, 2, precision, sweep=False)
            case "evaluation":
                return self.evaluation(precision)
            case "resnetap-224":
                return self.resnetap(precision)
            case _:
                return self.herding(precision)

    def inner_step(self, preset: str, factor: int, precision: NumberFormat, *, sweep: bool = True) -> Side:
        """The matches of an inner step and the training of the network that follows it."""
        their, plan, spec = self.reference, self.plan(preset, precision), self.spec(32)
        their.arguments.factor = factor
        split = random_images(spec, 5000)
        condensation, network = prepared(plan, split, self.device, self.classes_at_once)
        train = condensation.data.train
        assert isinstance(plan.networks, Real)

        loader = their.loader(split.images(), split.labels)
        module = their.network()
        synset, (augment, per_image) = their.synset(condensation.codes()["images"]), their.augmentations()
        codes_sgd = torch.optim.SGD([synset.data], lr=plan.optimizer.learning_rate, momentum=0.5)
        sgd, images, steps = their.sgd(module), plan.networks.images, iter(range(10**9))

        def peer() -> None:
            if sweep:
                their.sweep(loader, synset, module, codes_sgd, augment)
            their.update(loader, module, sgd, per_image, images)

        def ours() -> None:
            nonlocal network
            with condensation.group.execution.active():
                if sweep:
                    condensation.group.inner_step(network, next(steps))
                network = plan.networks.train(network, train, lambda: train)

        return Side(peer, ours)

    def evaluation(self, precision: NumberFormat) -> Side:
        """Three fresh networks trained for some epochs on 400 decoded images.

        The public code's images lie normalised on the device, which its own loader does one by one in every
        epoch.
        """
        their, plan, spec = self.reference, self.plan(precision=precision), self.spec(32)
        retrain = plan.evaluate[0]
        assert isinstance(retrain, Retrain)
        codes = {"images": random_images(spec, 10).images().unflatten(0, (10, 10))}
        decoded = decode(plan.decoder, codes, 10, spec)
        split = Split(decoded.images, decoded.labels, spec).to(self.device)
        preprocessing = retrain.training.preprocessing(split)
        their.arguments.batch_real = their.arguments.batch_size
        normalised = Preprocessing(spec)(decoded.images)
        loader = their.loader(normalised, decoded.labels)
        # Its evaluation leaves cutout out where images are mixed by CutMix.
        augment = their.augment.DiffAug(strategy="color_crop_flip_scale_rotate", batch=False)

        def peer() -> None:
            for _ in range(3):
                module = their.network()
                sgd = their.sgd(module)
                for _ in range(EPOCHS):
                    their.update(loader, module, sgd, augment, -1)

        def ours() -> None:
            with Execution(precision, compile=not self.eager).active():
                for seed in range(3):
                    network = plan.model.fresh(spec, Streams(seed), self.device)
                    for _ in range(EPOCHS * retrain.training.batches_per_epoch(split)):
                        network = retrain.training.step(network, split, preprocessing)

        return Side(peer, ours)

    def resnetap(self, precision: NumberFormat) -> Side:
        """Two classes at 224 pixels, factor 3; on a CPU with 8 real images instead of 64 and one stored."""
        real = 64 if self.device.type == "cuda" else 8
        stored = 10 if self.device.type == "cuda" else 1
        their = Reference(
            self.checkout,
            str(self.device),
            dataset="imagenet",
            net_type="resnet_ap",
            depth=10,
            size=224,
            factor=3,
            metric="l1",
            ipc=stored,
            nclass=2,
            batch_real=real,
            width=self.width,
        )
        changes = {"images_per_class": stored, "sampler.batch_size": real, "evaluate": [], "baseline": []}
        changes |= {"networks.warmup_epochs": 0, "init": {"type": "noise"}, "model.width": self.width}
        changes |= {"compile": not self.eager}
        plan = compiled("imagenet-10-ipc10-idc", precision, changes)
        spec = self.spec(224, classes=2, of="imagenet")
        # The public code's sampler takes no more images than a class has.
        split = random_images(spec, max(32, real))
        condensation, network = prepared(plan, split, self.device, self.classes_at_once)
        loader, module = their.loader(split.pixels, split.labels), their.network()
        synset, (augment, _) = their.synset(condensation.codes()["images"]), their.augmentations()
        sgd, steps = torch.optim.SGD([synset.data], lr=1e-3, momentum=0.5), iter(range(10**9))

        def peer() -> None:
            their.sweep(loader, synset, module, sgd, augment)

        def ours() -> None:
            condensation.group.inner_step(network, next(steps))

        return Side(peer, ours)

    def herding(self, precision: NumberFormat) -> Side:
        """Features of 10 x 1000 images and the choice of 50 of each class; the network is trained already."""
        their, spec = self.reference, self.spec(32)
        their.arguments.ipc = 50
        split = random_images(spec, 1000)
        module = their.network()
        plan = self.plan()
        network = weights_of(plan.model.fresh(spec, Streams(0), self.device), module)
        normalised = Preprocessing(spec)(split.images())
        batches = list(zip(normalised.split(32), split.labels.split(32), strict=True))
        on_device, features = split.to(self.device), Features()

        def peer() -> None:
            with quiet():
                found, targets = their.coreset.get_features(module, 2, batches)
            # It selects from positions on the CPU.
            their.coreset.herding_select(their.arguments, found, targets.cpu())

        def ours() -> None:
            with Execution(precision).active():
                for members in on_device.members:
                    herded(features.of(network, on_device, members), 50).cpu()

        return Side(peer, ours)

    def plan(self, preset: str = CIFAR10, precision: NumberFormat = "fp32") -> Pipeline:
        """A preset with this bench's width."""
        return compiled(preset, precision, {**narrowed(self.width), "compile": not self.eager})

    def spec(self, size: int, classes: int = 10, of: str = "cifar10") -> ImageSpec:
        """Colour images with the public code's statistics."""
        data = self.reference.data
        return colour_images(size, classes, single(data.MEANS[of]), single(data.STDS[of]))


def compare(bench: Bench, case: str, precision: NumberFormat, rounds: int) -> dict[str, object]:
    """Medians of both sides in milliseconds, and how many times faster ours is."""
    sides = bench.sides(case, precision)
    times: dict[str, list[float]] = {"peer": [], "ours": []}
    for number in range(rounds + 1):
        for name, work in (("peer", sides.peer), ("ours", sides.ours)):
            began = time.perf_counter()
            work()
            wait(bench.device)
            # The first round compiles, and warms both sides up.
            if number:
                times[name].append(1000 * (time.perf_counter() - began))
    peer, ours = (statistics.median(each) for each in times.values())
    return {
        "case": case,
        "precision": precision,
        "peer_ms": round(peer, 2),
        "ours_ms": round(ours, 2),
        "ratio": round(peer / ours, 3),
        "rounds": rounds,
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--reference", type=Path, required=True, metavar="PATH_TO_CHECKOUT")
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--eager", action="store_true", help="compile nothing of ours")
    parser.add_argument("--classes-at-once", default="1", metavar="N|auto", help="that we match in one call")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()

    begin()
    at_once: int | Literal["auto"] = "auto" if given.classes_at_once == "auto" else int(given.classes_at_once)
    bench = Bench(given.reference, given.device, given.width, eager=given.eager, classes_at_once=at_once)
    head = f"{machine(bench.device)}, medians of {given.rounds} alternating rounds"
    head += ", eager" if given.eager else ""
    head += f", classes at once {at_once}" if at_once != 1 else ""
    difference = bench.agreement()
    if not given.json:
        print(head)
        print(
            f"codes after two inner steps from the same state and draws, float64: differ by {difference:.0e}",
            flush=True,
        )
    if difference > 1e-9:
        sys.exit("the two sides do not compute the same codes")
    found: list[dict[str, object]] = []
    for case in given.case:
        for precision in given.precision:
            if case == "herding" and precision == "bf16":
                continue
            found.append(compare(bench, case, precision, given.rounds))
            if not given.json:
                row = found[-1]
                print(
                    f"{case:20} {precision}  public code {row['peer_ms']:>9} ms  idc {row['ours_ms']:>9} ms  "
                    f"ratio {row['ratio']:.2f}",
                    flush=True,
                )
    if given.json:
        print(json.dumps({"setting": head, "difference": difference, "cases": found}, indent=2))


if __name__ == "__main__":
    main()
