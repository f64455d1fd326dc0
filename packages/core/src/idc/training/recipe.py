"""Training a network on images: one recipe for real data between inner steps and for evaluation."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from idc.data.split import Split
from idc.errors import within
from idc.kinds import Augmentation
from idc.network import Network, Weights
from idc.runtime.compiler import Like, compute
from idc.runtime.device import moved_together
from idc.runtime.execution import Execution, current_execution
from idc.seeding import Streams
from idc.shapes import Draw, Indices
from idc.spec import ImageSpec
from idc.table import Table
from idc.training.cutmix import cutmix, draw_cutmix, mixed_cross_entropy
from idc.training.preprocessing import Preprocessing

RARE = 50
"""Batches in a pass from which its last, if short, is not worth compiling for."""


class Training(Table):
    """SGD with momentum on the mean cross-entropy of augmented images."""

    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of SGD."""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """Weight decay of SGD (L2 penalty)."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Images of a step; the last batch of a pass may be smaller."""
    augment: tuple[Augmentation, ...] = ()
    """Applied in this order, drawn for each image."""
    cutmix: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a batch is mixed by CutMix (box share uniform: Beta(1, 1))."""

    def preprocessing(self, split: Split) -> Preprocessing:
        """Normalisation and this recipe's augmentations for the images of a split, on its device."""
        return Preprocessing(split.spec, self.augment, split.device)

    def refuse_unfit(self, spec: ImageSpec) -> None:
        """Refuse augmentations that do not fit such images.

        Raises:
            InputError: naming the augmentation.
        """
        with within("training"):
            Preprocessing(spec, self.augment).refuse_unfit()

    def batches_per_epoch(self, split: Split) -> int:
        """Batches in one pass over a split; the last may be short and is not dropped."""
        return -(-len(split) // self.batch_size)

    def execution(self, network: Network, split: Split, steps: int) -> Execution:
        """How so many steps are best computed, where this is yet to be decided.

        Args:
            network: that is to be trained.
            split: what it is to be trained on.
            steps: how many are ahead.
        """
        # Forward, and backward to the images and to the weights.
        images = 3 * steps * min(self.batch_size, len(split))
        return current_execution().decided(images * network.operations(split.spec.shape))

    def size_of_next(self, network: Network, split: Split) -> int:
        """Images in the batch that `step` would take."""
        return min(
            self.batch_size, len(split) - network.batches % self.batches_per_epoch(split) * self.batch_size
        )

    def step(
        self,
        network: Network,
        split: Split,
        preprocessing: Preprocessing,
        learning_rate: float | None = None,
    ) -> Network:
        """Train on the next batch: the one at ``network.batches`` in an endless series of shuffled passes.

        Args:
            network: weights, velocity, streams and position.
            split: what to train on.
            preprocessing: as `preprocessing` gives it for the split.
            learning_rate: in place of the recipe's, for schedules.

        Returns:
            The network with new weights, velocity and buffers, one batch further.
        """
        indices, device = self._next(network, split), split.device
        generator = network.streams.generator("draws", network.batches)
        draws = preprocessing.draw(len(indices), generator)
        mix = draw_cutmix(len(indices), split.spec.shape, self.cutmix, generator)
        rate = torch.tensor(
            self.learning_rate if learning_rate is None else learning_rate,
            dtype=next(iter(network.weights.values())).dtype,
        )
        indices, *drawn = moved_together((indices, draws, mix, rate), device)
        chosen = split.at(indices)

        def update(
            weights: Weights,
            buffers: Weights,
            velocity: Weights,
            pixels: Tensor,
            labels: Tensor,
            draws: list[Draw],
            mix: Draw,
            rate: Tensor,
        ) -> tuple[Weights, Weights, Weights]:
            batch = Split(pixels, labels, split.spec).batch()
            images = cutmix(preprocessing(batch.images, draws), mix)
            leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
            tracked = {name: buffer.clone() for name, buffer in buffers.items()}
            loss = mixed_cross_entropy(network.logits(images, leaves, tracked), batch.labels, mix)
            gradients = torch.autograd.grad(loss, tuple(leaves.values()))
            moved, pushed = {}, {}
            for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
                push = gradient + self.weight_decay * weight + self.momentum * velocity[name]
                # Laid out as they came, so that the next step is the same graph.
                pushed[name] = push.contiguous()
                moved[name] = (weight - rate * push).contiguous()
            return moved, tracked, pushed

        key = Like(self, network.architecture, split.spec)
        state = (network.weights, network.buffers, network.velocity)
        with (
            self._execution_of(len(indices), split),
            network.streams.seeded("layers", network.batches, device=device),
        ):
            weights, buffers, velocity = compute(
                "the training step", key, update, *state, chosen.pixels, chosen.labels, *drawn
            )
        return replace(
            network, weights=weights, buffers=buffers, velocity=velocity, batches=network.batches + 1
        )

    def steps(
        self, network: Network, split: Split, count: int, learning_rate: float | None = None
    ) -> Network:
        """The network after so many times `step`."""
        preprocessing = self.preprocessing(split)
        for _ in range(count):
            network = self.step(network, split, preprocessing, learning_rate)
        return network

    def _execution_of(self, size: int, split: Split) -> AbstractContextManager[None]:
        # The last, short batch of many would need a graph of its own.
        rare = size < self.batch_size and self.batches_per_epoch(split) > RARE
        return (current_execution().eager() if rare else current_execution()).active()

    def _next(self, network: Network, split: Split) -> Indices:
        epoch, index = divmod(network.batches, self.batches_per_epoch(split))
        order = _order(network.streams, epoch, len(split))
        return order[index * self.batch_size : (index + 1) * self.batch_size]


@lru_cache(maxsize=8)
def _order(streams: Streams, epoch: int, count: int) -> Indices:
    return torch.randperm(count, generator=streams.generator("order", epoch))


@torch.no_grad()
def accuracy(network: Network, split: Split, spec: ImageSpec, batch_size: int = 500) -> float:
    """Top-1 accuracy of a network on a split, in percent.

    Args:
        network: used in evaluation mode.
        split: images that are normalised and not augmented.
        spec: whose mean and standard deviation normalise them: those the network was trained with.
        batch_size: images at a time.
    """
    preprocessing = Preprocessing(spec, device=split.device)
    with network.evaluating():
        correct = torch.zeros((), dtype=torch.int64, device=split.device)
        for first in range(0, len(split), batch_size):
            some = torch.arange(first, min(first + batch_size, len(split)), device=split.device)
            batch = split.batch(some)
            guesses = network.logits(preprocessing(batch.images)).argmax(1)
            correct += (guesses == batch.labels).sum()
    return 100 * int(correct) / len(split)
