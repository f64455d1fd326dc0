"""One inner step: every class is matched once. Random draws come first, then the computation by class."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils import _pytree as pytree

from idc.condensation.class_match import ClassMatch, Matched
from idc.condensation.draws import Draws, MatchInputs, match_address
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.errors import Notice, RunError, first_line
from idc.network.network import Network, Weights
from idc.network.view import NetworkView
from idc.runtime.compiler import Like, compute
from idc.runtime.device import out_of_memory
from idc.runtime.execution import current_execution
from idc.runtime.memory import peak
from idc.seeding import Streams
from idc.shapes import Batch, ClassNumbers, Codes, Indices, Pixels, Tensors
from idc.synset.codes import labels_of_class, of_class, optimised
from idc.training.preprocessing import Preprocessing

Distances = Float[Tensor, " classes"]
"""Of each class."""

MAX_SHAPES = 8
"""Classes with the same number of images are compiled only if they are at least 1 / this of all classes."""


class Sweep(NamedTuple):
    """The matches of all classes in one sweep."""

    gradients: Codes
    """Of each class's distance with respect to its codes that are not fixed, class axis first, also of shared
    codes."""
    distances: Distances
    remembered: dict[int, Tensors]
    """What the objective remembers of each class, which is nothing except in the last sweep."""


class FewerClasses(Notice):
    """Fewer classes are matched at once than requested; the same result up to rounding."""


class Matching:
    """The matches of a pipeline.

    Args:
        plan: the pipeline.
        train: the real images.
        preprocessing: with the augmentations of the matching.
        streams: the run's.
        decoded: number of training images that a class's codes decode to.
        labels: numbers of the classes that are condensed together.
        at_once: maximum number of classes, with equally many images, matched in one call; may be changed.
    """

    def __init__(
        self,
        plan: Pipeline,
        train: Split,
        preprocessing: Preprocessing,
        streams: Streams,
        decoded: int,
        labels: Sequence[int],
        at_once: int = 1,
    ) -> None:
        self._plan = plan
        self._train = train
        self._streams = streams
        self._match = ClassMatch(plan.decoder, plan.objective, preprocessing, train.spec)
        self.draws = Draws(plan, train, preprocessing, streams, decoded)
        """What an inner step draws."""
        self.decoded = decoded
        """Number of training images that a class's codes decode to."""
        self.rows = {label: row for row, label in enumerate(labels)}
        """The row of the codes of each class that is matched here; all at first, may be changed."""
        self.sizes = {label: self.draws.size(label) for label in self.rows}
        """Number of real and of synthetic images in a match of each class."""
        self.at_once = at_once
        self._key = Like(plan.decoder, plan.objective, plan.augment, train.spec)

    def operations(self, network: Network) -> float:
        """Floating-point operations of one inner step of all classes, approximately."""
        images = map(sum, zip(*self.sizes.values(), strict=True))
        passes = zip(self._plan.objective.passes(), images, strict=True)
        return sum(each * images for each, images in passes) * network.operations(self._train.spec.shape)

    def __call__(
        self,
        network: Network,
        codes: Codes,
        step: int,
        prepared: Tensors | None = None,
        refreshed: Mapping[int, Indices] = MappingProxyType({}),
        sweep: int = 0,
        remembered: Mapping[int, Tensors] = MappingProxyType({}),
    ) -> Sweep:
        """Match every class in `rows`.

        Args:
            network: the network being matched.
            codes: of the classes in `rows`.
            step: inner steps of the group that are done; determines the draws.
            prepared: what `Objective.prepare` returned.
            refreshed: what `Draws.refresh` returned last.
            sweep: number of the sweep within the inner step.
            remembered: what `Objective.remember` returned last, by class.

        Raises:
            RunError: there is not enough memory for a single class.
        """
        prepared = prepared or {}
        inputs = self.draws(self.rows, step, refreshed, sweep)
        alike: dict[Any, list[int]] = {}
        for label, each in inputs.items():
            alike.setdefault(_shapes(each), []).append(label)
        results: dict[int, Matched] = {}
        for labels in alike.values():
            # Each shape needs its own graph, which is not worth compiling for a few small classes.
            rare = [*self.sizes.values()].count(self.sizes[labels[0]]) * MAX_SHAPES < len(self.sizes)
            execution = current_execution().eager() if rare else current_execution()
            while labels:
                chunk = labels[: self.at_once]
                try:
                    with execution.active():
                        matched = self._matched(
                            network, codes, chunk, inputs, step, prepared, sweep, remembered
                        )
                except RuntimeError as error:
                    self._shrink(len(chunk), error)
                    continue
                results.update(zip(chunk, matched, strict=True))
                labels = labels[len(chunk) :]
        in_order, decoder = [results[label] for label in self.rows], self._plan.decoder
        kept = {label: each.remembered for label, each in results.items() if each.remembered}
        if in_order:
            gradients = {name: [each.gradients[name] for each in in_order] for name in in_order[0].gradients}
            distances = torch.stack([each.distance for each in in_order])
            return Sweep({name: torch.stack(each) for name, each in gradients.items()}, distances, kept)
        # A process without classes still takes part in sums over all of them.
        none = {
            name: code.new_zeros(0, *(code.shape if name in decoder.shared else code.shape[1:]))
            for name, code in optimised(decoder, codes).items()
        }
        return Sweep(none, next(iter(none.values())).new_zeros(0), kept)

    def memory(self, network: Network, codes: Codes, prepared: Tensors) -> int | None:
        """Peak bytes of matching one class in eager mode, besides data, weights and codes.

        None if a stage's computation depends on values, or no class is matched here.
        """
        if not self.rows:
            return None
        largest = max(self.rows, key=lambda label: self.sizes[label])
        inputs = self.draws([largest], 0, {})
        # Each sweep may be another loss, through another network.
        sweeps = (
            self._work(network, codes, [largest], inputs, 0, prepared, sweep)
            for sweep in range(self._plan.objective.sweeps())
        )
        try:
            return max(peak(function, *arguments) for function, arguments in sweeps)
        # Plugins may raise anything for fake tensors.
        except Exception:
            return None

    def batches(
        self, codes: Codes, step: int, refreshed: Mapping[int, Indices]
    ) -> Iterator[tuple[Batch, Batch]]:
        """The real and synthetic images of each class in `rows` as the network sees them in an inner step.

        Within the iteration, random layers are seeded as in the class's match.

        Args:
            codes: of the classes in `rows`.
            step: the inner step's number; determines the draws.
            refreshed: what `Draws.refresh` returned last.
        """
        plan = self._plan
        for label, inputs in self.draws(self.rows, step, refreshed).items():
            with self._layers(step, label):
                yield self._match.seen(
                    self._of_class(codes, label),
                    labels_of_class(codes, label, plan.images_per_class),
                    self._train.batch(inputs.real),
                    inputs.draws,
                    *inputs.kept,
                )

    def _layers(self, step: int, label: int, sweep: int = 0) -> AbstractContextManager[None]:
        """Seed random layers as in a class's match in an inner step."""
        match = self._streams.child(*match_address(step, label, sweep))
        return match.seeded("layers", device=self._train.device)

    def _matched(
        self,
        network: Network,
        codes: Codes,
        labels: list[int],
        inputs: Mapping[int, MatchInputs],
        step: int,
        prepared: Tensors,
        sweep: int,
        remembered: Mapping[int, Tensors],
    ) -> list[Matched]:
        """The matches of some classes, which have equally many images."""
        function, arguments = self._work(network, codes, labels, inputs, step, prepared, sweep, remembered)
        key = (self._key, network.architecture, len(labels) > 1, sweep)
        with self._layers(step, labels[0], sweep):
            matched = compute("the match", key, function, *arguments)
        if len(labels) == 1:
            return [matched]
        return [pytree.tree_map(lambda each, at=at: each[at], matched) for at in range(len(labels))]

    def _work(
        self,
        network: Network,
        codes: Codes,
        labels: list[int],
        inputs: Mapping[int, MatchInputs],
        step: int,
        prepared: Tensors,
        sweep: int,
        remembered: Mapping[int, Tensors] = MappingProxyType({}),
    ) -> tuple[Callable[..., Matched], tuple[Any, ...]]:
        """The match of some classes as a pure function, vmapped over several; and its arguments."""
        plan, train, mapped = self._plan, self._train, len(labels) > 1

        def matched(
            weights: Weights,
            buffers: Weights,
            companions: dict[str, Weights],
            facts: Tensors,
            prepared: Tensors,
            *of_class: Any,
        ) -> Matched:
            now = replace(network, weights=weights, buffers=buffers, companions=companions, facts=facts)

            def one(
                codes: Codes,
                labels: Tensor,
                pixels: Pixels,
                classes: ClassNumbers,
                inputs: MatchInputs,
                drawn: Tensors,
                remembered: Tensors,
            ) -> Matched:
                view = NetworkView(now, prepared, drawn, sweep, remembered=remembered, mapped=mapped)
                real = Split(pixels, classes, train.spec).batch()
                return self._match(view, codes, labels, real, inputs.draws, *inputs.kept)

            if not mapped:
                return one(*of_class)
            with replace(current_execution(), mapped=True).active():
                return torch.func.vmap(one)(*of_class)

        own: list[Any] = []
        for label in labels:
            stored = labels_of_class(codes, label, plan.images_per_class)
            real = train.at(inputs[label].real)
            images = stored, real.pixels, real.labels, inputs[label]
            drawn = self.draws.of_objective(label, step, sweep, prepared)
            own.append((self._of_class(codes, label), *images, drawn, remembered.get(label, {})))
        stacked = pytree.tree_map(lambda *each: torch.stack(each), *own) if mapped else own[0]
        state = (network.weights, network.buffers, network.companions, network.facts)
        return matched, (*state, prepared, *stacked)

    def _of_class(self, codes: Codes, label: int) -> Codes:
        return of_class(self._plan.decoder, codes, self.rows[label])

    def _shrink(self, classes: int, error: RuntimeError) -> None:
        """Match fewer classes at once after an error; raise it if there was only one class."""
        reason, lacking = first_line(error), out_of_memory(error)
        if classes == 1 and lacking:
            raise RunError(
                f"there is not enough memory to match one class ({reason}); lower sampler.batch_size or "
                "sampler.max_synthetic, or set precision = 'bf16'"
            ) from error
        if classes == 1:
            raise error
        self.at_once = classes // 2 if lacking else 1
        warnings.warn(
            f"{classes} classes cannot be matched at once ({reason}); matching {self.at_once} at once "
            "instead",
            FewerClasses,
            2,
        )


def _shapes(inputs: MatchInputs) -> tuple[torch.Size, ...]:
    return tuple(tensor.shape for tensor in pytree.tree_leaves(tuple(inputs)))
