"""The matches of one sweep over the classes: all is drawn in one block, then computed class by class."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from idc.codes import labels_of_class, of_class
from idc.compiling import Like, compute
from idc.data import Split
from idc.device import moved_together, out_of_memory
from idc.errors import Notice, RunError, first_line
from idc.execution import present
from idc.match import both_seen, match
from idc.memory import peak
from idc.network import Network, NetworkView, Weights
from idc.pipeline import Pipeline
from idc.preprocessing import Preprocessing
from idc.seeding import Streams
from idc.shapes import Codes, Draw, Indices, Labels, Pixels, Scalar

Distances = Float[Tensor, " classes"]
"""Of each class."""

REAL_PASSES, SYNTHETIC_PASSES = 3, 6
"""A match's arithmetic in forward passes: the gradient at real images costs three for each, and its distance
from the one at synthetic images, differentiated once more, about six for each of those."""


MOST_SHAPES = 8
"""Classes are compiled for if more than one in this many see as many images as they do."""


class FewerClasses(Notice):
    """Fewer classes are matched at once than was asked for; the same result up to rounding."""


class Seen(NamedTuple):
    """What the match of one class sees in one sweep, beside the network and the codes."""

    real: Indices
    """Positions of real images."""
    kept: tuple[Indices, ...]
    """Which decoded images take part; empty for all."""
    draws: list[dict[str, Tensor]]
    """Parameters of each augmentation's siamese draw."""


class GradientNorms(NamedTuple):
    """L1 norms of the gradients of the cross-entropy with respect to all weights, as means over the classes.

    Where a network learns the synthetic images by heart these lose their gradient while real ones keep
    theirs, and matching stops: the paper's argument for training on real data (section 4).
    """

    real: Scalar
    """Given a batch of real images of a class, as a match sees it."""
    synthetic: Scalar
    """Given the synthetic ones."""


class Matching:
    """The matches of a pipeline.

    Args:
        plan: the pipeline.
        train: what the real images are taken from.
        preprocessing: with the augmentations of the matching.
        streams: the run's.
        decoded: training images that a class's codes decode to.
        at_once: classes matched in one call, as far as they see equally many images; may be changed.
    """

    def __init__(
        self,
        plan: Pipeline,
        train: Split,
        preprocessing: Preprocessing,
        streams: Streams,
        decoded: int,
        at_once: int = 1,
    ) -> None:
        self._plan = plan
        self._train = train
        self._preprocessing = preprocessing
        self._streams = streams
        self._decoded = decoded
        self.at_once = at_once
        self._key = Like(plan.decoder, plan.objective, plan.augment, train.spec)

    def images(self) -> tuple[int, int]:
        """Real and synthetic images that one sweep sees, all classes together."""
        drawn = self.draw(0)
        synthetic = (len(seen.kept[0]) if seen.kept else self._decoded for seen in drawn)
        return sum(len(seen.real) for seen in drawn), sum(synthetic)

    def operations(self, network: Network) -> float:
        """Floating-point operations of one sweep, by and large."""
        real, synthetic = self.images()
        passes = REAL_PASSES * real + SYNTHETIC_PASSES * synthetic
        return passes * network.operations(self._train.spec.shape)

    def draw(self, step: int) -> list[Seen]:
        """What every class's match sees in a sweep, on the device; each class has streams of its own."""
        drawn = [self._drawn(label, step) for label in range(len(self._train.spec.classes))]
        return moved_together(drawn, self._train.device)

    def __call__(self, network: Network, codes: Codes, step: int) -> tuple[Codes, Distances]:
        """Match every class.

        Args:
            network: what is looked through.
            codes: of all classes.
            step: sweeps since the beginning of the run, which decides what is drawn.

        Returns:
            The gradient of each class's distance with respect to its codes, class axis first, and for shared
            codes their sum; and the distance of each class.

        Raises:
            RunError: the memory does not suffice for a single class.
        """
        seen = self.draw(step)
        alike: dict[Any, list[int]] = {}
        for label, each in enumerate(seen):
            alike.setdefault(_shapes(each), []).append(label)
        results: dict[int, tuple[Codes, Scalar]] = {}
        for labels in alike.values():
            # Each shape needs a graph of its own, which a few small classes are not worth.
            rare = len(labels) * MOST_SHAPES < len(seen)
            execution = present().eager() if rare else present()
            while labels:
                chunk = labels[: self.at_once]
                try:
                    with execution.active():
                        matched = self._matched(network, codes, chunk, seen, step)
                except RuntimeError as error:
                    self._shrink(len(chunk), error)
                    continue
                results.update(zip(chunk, matched, strict=True))
                labels = labels[len(chunk) :]
        in_order = [results[label] for label in range(len(seen))]
        gradients = {name: torch.stack([each[name] for each, _ in in_order]) for name in codes}
        gradients.update({name: gradients[name].sum(0) for name in self._plan.decoder.shared})
        return gradients, torch.stack([distance for _, distance in in_order])

    def _drawn(self, label: int, step: int) -> Seen:
        sampler, streams = self._plan.sampler, self._streams.child("sampler", label)
        generator = self._streams.generator("match", step, label, "augment")
        kept = sampler.synthetic(self._decoded, step, streams)
        return Seen(
            sampler.real(self._train.members[label], step, streams),
            () if kept is None else (kept,),
            [draw.parameters for draw in self._preprocessing.draw(1, generator)],
        )

    def memory(self, network: Network, codes: Codes) -> int | None:
        """Bytes that matching one class takes at most beside data, weights and codes, if computed eagerly.

        None where a stage looks at values, so that it cannot be told without computing.
        """
        seen = self.draw(0)
        largest = max(range(len(seen)), key=lambda label: len(seen[label].real))
        function, inputs = self._work(network, codes, [largest], seen)
        try:
            return peak(function, *inputs)
        # Whatever a plugin raises when it gets tensors without data.
        except Exception:
            return None

    def gradient_norms(self, network: Network, codes: Codes, step: int) -> GradientNorms:
        """Norms of the network's gradients given what a sweep sees.

        Args:
            network: what is looked through.
            codes: of all classes.
            step: the sweep's, which decides what is drawn.
        """
        plan, view = self._plan, NetworkView(network)
        norms: list[tuple[Tensor, ...]] = []
        for label, seen in enumerate(self.draw(step)):
            real = self._train.at(seen.real)
            with self._layers(step, label), torch.no_grad():
                both = both_seen(
                    plan.decoder,
                    self._preprocessing,
                    of_class(plan.decoder, codes, label),
                    labels_of_class(codes, label, plan.images_per_class),
                    Split(real.pixels, real.labels, self._train.spec).batch(),
                    [Draw(draw) for draw in seen.draws],
                    *seen.kept,
                )
                with torch.enable_grad():
                    gradients = [view.gradients(batch).values() for batch in both]
            norms.append(tuple(torch.stack([g.abs().sum() for g in each]).sum() for each in gradients))
        real, synthetic = (torch.stack(each).mean() for each in zip(*norms, strict=True))
        return GradientNorms(real, synthetic)

    def _layers(self, step: int, label: int) -> AbstractContextManager[None]:
        """A block in which layers that draw do so as in the match of a class in a sweep."""
        return self._streams.child("match", step, label).seeded("layers", device=self._train.device)

    def _matched(
        self, network: Network, codes: Codes, labels: list[int], seen: list[Seen], step: int
    ) -> list[tuple[Codes, Scalar]]:
        """Gradients and distances of some classes, which see equally many images."""
        function, inputs = self._work(network, codes, labels, seen)
        key = (self._key, network.architecture, len(labels) > 1)
        with self._layers(step, labels[0]):
            gradients, distances = compute("the match", key, function, *inputs)
        if len(labels) == 1:
            return [(gradients, distances)]
        return [
            ({name: gradient[position] for name, gradient in gradients.items()}, distances[position])
            for position in range(len(labels))
        ]

    def _work(
        self, network: Network, codes: Codes, labels: list[int], seen: list[Seen]
    ) -> tuple[Callable[..., tuple[Codes, Tensor]], tuple[Any, ...]]:
        """The match of some classes as a pure function, mapped over them if they are several; its inputs."""
        plan, train, mapped = self._plan, self._train, len(labels) > 1

        def matched(weights: Weights, buffers: Weights, *of_class: Any) -> tuple[Codes, Tensor]:
            view = NetworkView(replace(network, weights=weights, buffers=buffers), mapped=mapped)

            def one(
                codes: Codes, labels: Tensor, pixels: Pixels, classes: Labels, seen: Seen
            ) -> tuple[Codes, Scalar]:
                return match(
                    plan.decoder,
                    plan.objective,
                    self._preprocessing,
                    view,
                    codes,
                    labels,
                    Split(pixels, classes, train.spec).batch(),
                    [Draw(draw) for draw in seen.draws],
                    *seen.kept,
                )

            if not mapped:
                return one(*of_class)
            with replace(present(), mapped=True).active():
                return torch.func.vmap(one)(*of_class)

        own: list[Any] = []
        for label in labels:
            stored = labels_of_class(codes, label, plan.images_per_class)
            real = train.at(seen[label].real)
            own.append((of_class(plan.decoder, codes, label), stored, real.pixels, real.labels, seen[label]))
        stacked = pytree.tree_map(lambda *each: torch.stack(each), *own) if mapped else own[0]
        return matched, (network.weights, network.buffers, *stacked)

    def _shrink(self, classes: int, error: RuntimeError) -> None:
        """Go on with fewer classes at once after an error, or raise it where there was one class only."""
        reason, lacking = first_line(error), out_of_memory(error)
        if classes == 1 and lacking:
            raise RunError(
                f"the memory does not suffice to match one class ({reason}); lower sampler.batch_size or "
                "sampler.max_synthetic, or set precision = 'bf16'"
            ) from error
        if classes == 1:
            raise error
        self.at_once = classes // 2 if lacking else 1
        warnings.warn(
            f"{classes} classes cannot be matched at once ({reason}); going on with {self.at_once}",
            FewerClasses,
            2,
        )


def _shapes(seen: Seen) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in pytree.tree_leaves(tuple(seen)))
