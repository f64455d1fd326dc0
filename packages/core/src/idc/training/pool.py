"""Pools of networks trained on the real data once, which all runs share."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, model_validator

from idc.data.split import Split
from idc.errors import InputError, RunError, within
from idc.kinds import Model
from idc.network.network import Network
from idc.runtime.execution import current_execution
from idc.seeding import Streams
from idc.table import Table
from idc.training import pool_files
from idc.training.pool_files import PoolRecipe
from idc.training.pooled_network import PooledNetwork, loaded, read, write
from idc.training.recipe import Training

Epoch = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]

TRIAL_BATCHES = 5
"""Batches of `Pool.try_training`."""


class Pool(Table):
    """Networks trained on the real data, kept at several ages in the user's cache folder.

    What determines them (data, model, recipe, schedule, seed, precision) also names their folder, so runs
    with other seeds, budgets and decoders share them, and a pool of 5 is part of a pool of 20. A run trains
    those that are missing before its first iteration.
    """

    networks: Annotated[int, Field(ge=1)] = 5
    """Number of networks."""
    epochs: tuple[Epoch, ...] = Field(default=(0.0, 20.0), min_length=1)
    """Epochs after which each network is kept; 0 for its initial weights. Rounded to whole batches."""
    min_batches: Annotated[int, Field(ge=0)] = 0
    """Batches that each network is trained on at least. On data with fewer, all of `epochs` are multiplied by
    what is missing, so that a recipe in epochs of many images also suits few."""
    training: Training = Training()
    """Training recipe."""
    milestones: tuple[Fraction, ...] = ()
    """Fractions of the last of `epochs` after which the learning rate decays."""
    decay: Annotated[float, Field(gt=0)] = 0.2
    """Factor of the learning rate at each milestone."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 0
    """Seed of the networks. Not the pipeline's, so that runs with other seeds share them."""
    path: Path | None = None
    """The pool's own folder, relative to the working directory; by default one in the cache folder."""

    @model_validator(mode="after")
    def _ascending(self) -> "Pool":
        if any(first >= second for first, second in pairwise(self.epochs)):
            raise ValueError(f"epochs: {list(self.epochs)} is not allowed; they must ascend, each once")
        if any(fraction * self.epochs[-1] < 1 for fraction in self.milestones):
            raise ValueError(
                f"milestones: {list(self.milestones)} is not allowed; the learning rate decays after whole "
                f"epochs, so each must be at least 1 / {self.epochs[-1]:g}"
            )
        return self

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Refuse a recipe that does not fit the data, and files of other pools or damaged ones.

        Raises:
            InputError: which field or file, and how to mend it.
        """
        with within("pool"):
            self.training.refuse_unfit(real.spec)
        batches = self._batches(real)
        for (first, one), (second, other) in pairwise(zip(self._epochs(real), batches, strict=True)):
            if one == other:
                raise InputError(
                    f"pool.epochs: {first:g} and {second:g} are both {one} batches of "
                    f"{self.training.batches_per_epoch(real)} in an epoch; leave one out"
                )
        if batches[-1] == 0:
            raise InputError(
                f"pool.epochs: {self.epochs[-1]:g} is 0 batches, so nothing would be trained; end with "
                f"at least {1 / self.training.batches_per_epoch(real):g}"
            )
        recipe = self._recipe(model, real)
        with within("pool.path"):
            for number, file in enumerate(self._files(recipe)):
                if file.is_file():
                    read(file, recipe, number)

    def fingerprint(self, model: Model, real: Split) -> str:
        """A hash of everything that determines the networks, except how many there are."""
        return self._recipe(model, real).fingerprint()

    def files(self, model: Model, real: Split) -> list[Path]:
        """The file of each network in the order of their numbers, whether or not it exists."""
        return self._files(self._recipe(model, real))

    def training_images(self, real: Split) -> int:
        """Images that each network is trained on, counted once for each time."""
        epochs, rest = divmod(self._batches(real)[-1], self.training.batches_per_epoch(real))
        return epochs * len(real) + rest * self.training.batch_size

    def train(self, number: int, model: Model, real: Split, progress: Callable[[float], None]) -> None:
        """Train a network and write its file, in place of one that is there.

        Several processes may do so at the same time: they write the same bytes.

        Args:
            number: of the network, from 0.
            model: the architecture.
            real: the training split.
            progress: called with the fraction done, 0 to 1.

        Raises:
            RunError: the network diverged, or its file cannot be written.
        """
        recipe = self._recipe(model, real)
        trained = self._trained(number, model, real, progress)
        source = f"{model.label()}, {self._epochs(real)[-1]:g} epochs"
        write(self._files(recipe)[number], number, trained, recipe, source)

    def load(self, model: Model, real: Split) -> tuple[PooledNetwork, ...]:
        """The networks, on the split's device; files are read once per process, and mapped on a CPU.

        Raises:
            InputError: a file is missing, damaged, or of another pool.
        """
        recipe = self._recipe(model, real)
        files = self._files(recipe)
        for file in files:
            if not file.is_file():
                raise InputError(f"pool.path: there is no file {file}; create it with idc pretrain PIPELINE")
        with within("pool.path"):
            return loaded(files, recipe, model, real.spec, real.device)

    def try_training(self, model: Model, real: Split) -> int:
        """Train a network that is thrown away on a few batches, to measure the time.

        Returns:
            Number of images it was trained on.
        """
        network = model.fresh(real.spec, Streams(self.seed).child("pool", "trial"), real.device)
        batches = min(TRIAL_BATCHES, self.training.batches_per_epoch(real))
        with self.training.execution(network, real, self._batches(real)[-1]).active():
            self.training.steps(network, real, batches)
        return min(batches * self.training.batch_size, len(real))

    def _epochs(self, real: Split) -> tuple[float, ...]:
        """Epochs at each age, with at least `min_batches` at the last."""
        batches = self.epochs[-1] * self.training.batches_per_epoch(real)
        factor = max(1.0, self.min_batches / batches) if batches else 1.0
        return tuple(factor * epoch for epoch in self.epochs)

    def _batches(self, real: Split) -> list[int]:
        """Number of training batches at each age."""
        return [round(epoch * self.training.batches_per_epoch(real)) for epoch in self._epochs(real)]

    def _learning_rate(self, epoch: int, epochs: float) -> float:
        passed = sum(epoch >= int(fraction * epochs) for fraction in self.milestones)
        return self.training.learning_rate * self.decay**passed

    def _recipe(self, model: Model, real: Split) -> PoolRecipe:
        return PoolRecipe(
            model=model.model_dump(mode="json"),
            data=real.fingerprint(),
            classes=len(real.spec.classes),
            mean=real.spec.mean,
            std=real.spec.std,
            training=self.training.model_dump(mode="json"),
            epochs=self._epochs(real),
            milestones=self.milestones,
            decay=self.decay,
            precision=current_execution().precision,
            seed=self.seed,
        )

    def _files(self, recipe: PoolRecipe) -> list[Path]:
        folder = self.path or pool_files.folder() / recipe.fingerprint()
        return [pool_files.file_of(folder, number) for number in range(self.networks)]

    def _trained(
        self, number: int, model: Model, real: Split, progress: Callable[[float], None]
    ) -> PooledNetwork:
        """A network trained from its initial weights."""
        network = model.fresh(real.spec, Streams(self.seed).child("pool", number), real.device)
        epochs, batches = self._epochs(real), self._batches(real)
        per_epoch = self.training.batches_per_epoch(real)
        preprocessing = self.training.preprocessing(real)
        kept: list[Network] = []
        accuracies: list[float] = []
        # By the work of one network, so that the result does not depend on their number.
        with self.training.execution(network, real, batches[-1]).active():
            for until in batches:
                hits, seen = torch.zeros((), dtype=torch.int64, device=real.device), 0
                while network.batches < until:
                    seen += self.training.size_of_next(network, real)
                    rate = self._learning_rate(network.batches // per_epoch, epochs[-1])
                    network, more = self.training.step_and_hits(network, real, preprocessing, rate)
                    hits += more
                    progress(network.batches / batches[-1])
                kept.append(network)
                accuracies.append(100 * int(hits) / max(seen, 1))
                if not all(bool(weight.isfinite().all()) for weight in network.weights.values()):
                    raise RunError(
                        f"pool.training: a weight of network {number} is not finite after "
                        f"{until / per_epoch:g} epochs; lower pool.training.learning_rate"
                    )
        return PooledNetwork(epochs, tuple(kept), tuple(accuracies))
