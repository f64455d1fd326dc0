"""Networks trained on real data."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import Field

from idc.errors import within
from idc.kinds import Model, Network, Networks, Split, Streams
from idc.stages import papers
from idc.stages.networks.perturbation import Perturbation
from idc.training.pool import Pool
from idc.training.recipe import Training


@final
class Real(Networks):
    """IDC's schedule: new networks, trained briefly on real data after every inner step (section 4).

    With a `pool` and a `perturbation` it is model augmentation; with a pool and ``images = 0``, the queue of
    IDM without its state: networks of random ages. The fact ``accuracy`` is the training accuracy in percent
    of the pool's network at that age, and 0 for new networks.
    """

    facts: ClassVar[frozenset[str]] = frozenset({"accuracy"})
    independent: ClassVar[bool] = True

    bibtex = papers.IDC

    type: Literal["real"] = "real"
    images: Annotated[int, Field(ge=0)] = 500
    """Real images to train on after an inner step, rounded up to whole batches."""
    every: Annotated[int, Field(ge=1)] = 1
    """Outer iterations that each network is used for."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs on the real data before a new network is first matched."""
    pool: Pool | None = None
    """Start from networks of this pool, each at a random one of its ages, instead of random weights."""
    perturbation: Perturbation | None = None
    """Move the weights that each network starts from at random."""
    training: Training = Training()
    """Training recipe."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Check the augmentations."""
        with within("networks"):
            self.training.refuse_unfit(real.spec)

    def pools(self) -> tuple[Pool, ...]:
        """The pool, if there is one."""
        return () if self.pool is None else (self.pool,)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """The previous network if it is reused, else a new one or one of the pool."""
        if previous is not None and self.reuses_network(iteration):
            return previous
        network, accuracy = self._drawn(model, real, streams)
        if self.perturbation is not None:
            weights = self.perturbation.perturbed(network.weights, streams.generator("perturbation"))
            network = replace(network, weights=weights)
        network = replace(network, facts={"accuracy": torch.tensor(accuracy).to(real.device)})
        return self._trained(network, real, self.warmup_epochs * len(real), self.warmup_epochs)

    def _drawn(self, model: Model, real: Split, streams: Streams) -> tuple[Network, float]:
        """A new network and 0, or one of the pool and its accuracy in percent."""
        if self.pool is None:
            return model.fresh(real.spec, streams, real.device), 0.0
        with within("networks"):
            pooled = self.pool.load(model, real)
        generator = streams.generator("pool")
        chosen = pooled[int(torch.randint(len(pooled), (), generator=generator))]
        age = int(torch.randint(len(chosen.networks), (), generator=generator))
        return replace(chosen.networks[age], streams=streams), chosen.accuracies[age]

    def reuses_network(self, iteration: int) -> bool:
        """Whether the previous network has been used for less than `every` outer iterations."""
        return iteration % self.every > 0

    def trained_images(self, inner_steps: int, real: Split, synthetic: int) -> int:
        """Those of the warm-up, and `images` between two inner steps, rounded up to whole batches."""
        batch = self.training.batch_size
        each = min(-(-self.images // batch) * batch, len(real))
        between = self.every * inner_steps - 1
        return (self.warmup_epochs * len(real) + between * each) // self.every

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network after training on at least `images` real images, but for at most one epoch."""
        return self._trained(network, real, self.images, 1)

    def _trained(self, network: Network, real: Split, images: int, max_epochs: int) -> Network:
        preprocessing = self.training.preprocessing(real)
        per_epoch = self.training.batches_per_epoch(real)
        last, seen = network.batches + max_epochs * per_epoch, 0
        while seen < images and network.batches < last:
            seen += self.training.size_of_next(network, real)
            network = self.training.step(network, real, preprocessing)
        return network
