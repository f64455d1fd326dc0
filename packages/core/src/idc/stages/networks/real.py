"""Networks trained on real data."""

from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field

from idc.errors import within
from idc.kinds import InputError, Model, Network, Networks, Split, Streams
from idc.stages.networks.pretrained import Pretrained
from idc.training.recipe import Training


@final
class Real(Networks):
    """IDC's schedule: new networks, trained briefly on real data after every inner step (section 4)."""

    type: Literal["real"] = "real"
    images: Annotated[int, Field(ge=0)] = 500
    """Real images to train on after an inner step, rounded up to whole batches."""
    every: Annotated[int, Field(ge=1)] = 1
    """Outer iterations that each network is used for."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Epochs on the real data before a new network is first matched."""
    pretrained: Pretrained | None = None
    """Start from pretrained networks instead of random weights."""
    training: Training = Training()
    """Training recipe."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Check the augmentations and the pretrained networks."""
        with within("networks"):
            self.training.refuse_unfit(real.spec)
        if self.pretrained is not None:
            self.pretrained.refuse_unfit(model, real, self.training)

    def pretrain(self, model: Model, real: Split, streams: Streams, progress: Callable[[float], None]) -> str:
        """Train the networks of `pretrained`, and say how many."""
        if self.pretrained is None:
            raise InputError(
                'networks: there is nothing to pretrain; add pretrained = {path = "..."} to [networks]'
            )
        return self.pretrained.make(self.training, model, real, streams, progress)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """The previous network if it is reused, else a new or pretrained one."""
        if previous is not None and self.reuses_network(iteration):
            return previous
        network = model.fresh(real.spec, streams, real.device)
        if self.pretrained is not None:
            network = network.with_state(self.pretrained.pick(model, real, self.training, streams))
        return self._trained(network, real, self.warmup_epochs * len(real), self.warmup_epochs)

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
