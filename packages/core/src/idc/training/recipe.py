"""The training recipe of networks, both between inner steps and for evaluation."""

from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Literal

import torch
from jaxtyping import Int
from pydantic import Field
from torch import Tensor

from idc.data.split import Split
from idc.errors import within
from idc.kinds import Augmentation
from idc.network.network import Network, Weights
from idc.runtime.compiler import Like, compute
from idc.runtime.device import moved_together
from idc.runtime.execution import Execution, current_execution
from idc.seeding import Streams
from idc.shapes import Draw, Indices, OptimizerState, Tensors, class_numbers
from idc.spec import ImageSpec
from idc.table import Table
from idc.training import update
from idc.training.cutmix import cutmix, draw_cutmix, mixed_cross_entropy
from idc.training.distillation import Teacher
from idc.training.preprocessing import Preprocessing
from idc.training.soft_labels import softened

Beta = Annotated[float, Field(ge=0, lt=1)]

MAX_BATCHES_TO_COMPILE_LAST = 50
"""In epochs with more batches than this, a smaller last batch runs eagerly instead of compiling a graph."""


class Training(Table):
    """SGD with momentum, or AdamW, on the mean cross-entropy of augmented images."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    """The optimizer of the weights, as PyTorch defines it."""
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    """Learning rate."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum of ``sgd``."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square, for ``adamw``."""
    eps: Annotated[float, Field(gt=0)] = 1e-8
    """Term added to the denominator of ``adamw``."""
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    """Weight decay: an L2 penalty for ``sgd``, decoupled from the gradients for ``adamw``."""
    batch_size: Annotated[int, Field(ge=1)] = 64
    """Batch size; the last batch of an epoch may be smaller."""
    augment: tuple[Augmentation, ...] = ()
    """Augmentations, applied in this order with a draw for each image."""
    cutmix: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that CutMix is applied to a batch, with λ from Beta(1, 1)."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """Divides the logits in the loss: those of the network, and those of soft labels."""

    def preprocessing(self, split: Split) -> Preprocessing:
        """This recipe's preprocessing of a split's images, on its device."""
        return Preprocessing(split.spec, self.augment, split.device)

    def refuse_unfit(self, spec: ImageSpec) -> None:
        """Refuse augmentations that do not fit such images.

        Raises:
            InputError: an augmentation fails on them.
        """
        with within("training"):
            Preprocessing(spec, self.augment).refuse_unfit()

    def batches_per_epoch(self, split: Split) -> int:
        """Batches per epoch; the last may be smaller and is not dropped."""
        return -(-len(split) // self.batch_size)

    def execution(self, network: Network, split: Split, steps: int) -> Execution:
        """The current execution, with ``auto`` decided for a number of training steps.

        Args:
            network: to train.
            split: to train on.
            steps: number of steps.
        """
        # A forward pass, and twice as much for the backward pass.
        images = 3 * steps * min(self.batch_size, len(split))
        return current_execution().decided(images * network.operations(split.spec.shape))

    def size_of_next(self, network: Network, split: Split) -> int:
        """Number of images in the next batch of `step`."""
        return min(
            self.batch_size, len(split) - network.batches % self.batches_per_epoch(split) * self.batch_size
        )

    def step(
        self,
        network: Network,
        split: Split,
        preprocessing: Preprocessing,
        learning_rate: float | None = None,
        teacher: Teacher | None = None,
    ) -> Network:
        """Train on the next batch: number ``network.batches`` of an endless series of shuffled epochs.

        Args:
            network: to train.
            split: to train on.
            preprocessing: as returned by `preprocessing` for the split.
            learning_rate: for schedules; the recipe's by default.
            teacher: whose distillation loss is added; none by default.

        Returns:
            The network with new weights, optimizer state and buffers, one batch further.
        """
        return self.step_and_hits(network, split, preprocessing, learning_rate, teacher)[0]

    def step_and_hits(
        self,
        network: Network,
        split: Split,
        preprocessing: Preprocessing,
        learning_rate: float | None = None,
        teacher: Teacher | None = None,
    ) -> tuple[Network, Int[Tensor, ""]]:
        """What `step` returns, and how many images of the batch the network classified correctly before it.

        The images are as they were trained on: augmented and, where CutMix mixed them, with their own labels.
        """
        indices, device = self._next(network, split), split.device
        generator = network.streams.generator("draws", network.batches)
        draws = preprocessing.draw(len(indices), generator)
        mix = draw_cutmix(len(indices), split.spec.shape, self.cutmix, generator)
        network = self._begun(network)
        factors = self._factors(network, self.learning_rate if learning_rate is None else learning_rate)
        indices, *drawn = moved_together((indices, draws, mix, factors), device)
        chosen = split.at(indices)

        def stepped(
            weights: Weights,
            buffers: Weights,
            state: OptimizerState,
            pixels: Tensor,
            labels: Tensor,
            draws: list[Draw],
            mix: Draw,
            factors: Tensors,
            taught: Weights,
        ) -> tuple[Weights, Weights, OptimizerState, Tensor]:
            batch = Split(pixels, labels, split.spec).batch()
            images = cutmix(preprocessing(batch.images, draws), mix)
            leaves = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
            tracked = {name: buffer.clone() for name, buffer in buffers.items()}
            logits = network.logits(images, leaves, tracked)
            loss = mixed_cross_entropy(*softened(logits, batch.labels, self.temperature), mix)
            if teacher is not None:
                loss = loss + teacher.loss(images, logits, taught)
            gradients = dict(zip(leaves, torch.autograd.grad(loss, tuple(leaves.values())), strict=True))
            weights, state = self._updated(weights, state, gradients, factors)
            hits = (logits.argmax(1) == class_numbers(batch.labels)).sum()
            return weights, tracked, state, hits

        key = Like(self, network.architecture, split.spec, teacher and teacher.key)
        with (
            self._execution_of(len(indices), split),
            network.streams.seeded("layers", network.batches, device=device),
        ):
            weights, buffers, state, hits = compute(
                "the training step",
                key,
                stepped,
                network.weights,
                network.buffers,
                network.optimizer,
                chosen.pixels,
                chosen.labels,
                *drawn,
                teacher.state if teacher else {},
            )
        further = replace(
            network,
            weights=weights,
            buffers=buffers,
            optimizer=state,
            optimizer_steps=network.optimizer_steps + 1,
            batches=network.batches + 1,
        )
        return further, hits

    def steps(
        self,
        network: Network,
        split: Split,
        count: int,
        learning_rate: float | None = None,
        teacher: Teacher | None = None,
    ) -> Network:
        """The network after ``count`` steps."""
        preprocessing = self.preprocessing(split)
        for _ in range(count):
            network = self.step(network, split, preprocessing, learning_rate, teacher)
        return network

    def _begun(self, network: Network) -> Network:
        """The network with this optimizer's buffers: zero before its first step, or after another's."""
        if network.optimizer.keys() == set(update.BUFFERS[self.optimizer]):
            return network
        return replace(network.at_rest(), optimizer=update.zeros(network.weights, self.optimizer))

    def _factors(self, network: Network, rate: float) -> Tensors:
        """The numbers of the update that change with its step, as tensors, so that steps share a graph."""
        factors = {"rate": rate}
        if self.optimizer == "adamw":
            factors |= update.corrections(self.betas, network.optimizer_steps + 1)
        dtype = next(iter(network.weights.values())).dtype
        return {name: torch.tensor(value, dtype=dtype) for name, value in factors.items()}

    def _updated(
        self, weights: Weights, state: OptimizerState, gradients: Weights, factors: Tensors
    ) -> tuple[Weights, OptimizerState]:
        if self.optimizer == "adamw":
            return update.adamw(weights, state, gradients, factors, self.betas, self.eps, self.weight_decay)
        return update.sgd(weights, state, gradients, factors, self.momentum, self.weight_decay)

    def _execution_of(self, size: int, split: Split) -> AbstractContextManager[None]:
        rare = size < self.batch_size and self.batches_per_epoch(split) > MAX_BATCHES_TO_COMPILE_LAST
        return (current_execution().eager() if rare else current_execution()).active()

    def _next(self, network: Network, split: Split) -> Indices:
        epoch, index = divmod(network.batches, self.batches_per_epoch(split))
        order = _order(network.streams, epoch, len(split))
        return order[index * self.batch_size : (index + 1) * self.batch_size]


@lru_cache(maxsize=8)
def _order(streams: Streams, epoch: int, count: int) -> Indices:
    return torch.randperm(count, generator=streams.generator("order", epoch))


def accuracy(network: Network, split: Split, spec: ImageSpec, batch_size: int = 500) -> float:
    """Top-1 accuracy of a network on a split, in percent.

    Args:
        network: used in evaluation mode.
        split: images, used without augmentation.
        spec: with the mean and standard deviation that the network was trained with.
        batch_size: images per forward pass.
    """
    return 100 * int(hits(network, split, spec, batch_size)) / len(split)


@torch.no_grad()
def hits(network: Network, split: Split, spec: ImageSpec, batch_size: int = 500) -> Int[Tensor, ""]:
    """How many images of a split a network classifies correctly, on the split's device; as `accuracy`."""
    preprocessing = Preprocessing(spec, device=split.device)
    with network.evaluating():
        correct = torch.zeros((), dtype=torch.int64, device=split.device)
        for first in range(0, len(split), batch_size):
            indices = torch.arange(first, min(first + batch_size, len(split)), device=split.device)
            batch = split.batch(indices)
            predictions = network.logits(preprocessing(batch.images)).argmax(1)
            correct += (predictions == batch.labels).sum()
    return correct
