"""Networks trained on real data between inner steps."""

from collections.abc import Callable
from typing import Annotated, Literal, final

from pydantic import Field

from idc.errors import within
from idc.kinds import InputError, Model, Network, Networks, Split, Streams
from idc.stages.networks.pretrained import Pretrained
from idc.training.recipe import Training


@final
class Real(Networks):
    """IDC's schedule: a fresh network, trained a little on real data after every inner step (section 4)."""

    type: Literal["real"] = "real"
    images: Annotated[int, Field(ge=0)] = 500
    """Real images to train on after an inner step, at least: batches are taken until they are reached."""
    every: Annotated[int, Field(ge=1)] = 1
    """Outer iterations that a network lasts."""
    warmup_epochs: Annotated[int, Field(ge=0)] = 0
    """Passes over the real data before a fresh network is first matched."""
    pretrained: Pretrained | None = None
    """Start from networks trained beforehand instead of fresh ones."""
    training: Training = Training()
    """How they are trained."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Refuse augmentations of the training that do not fit such images, and absent networks."""
        with within("networks"):
            self.training.refuse_unfit(real.spec)
        if self.pretrained is not None:
            self.pretrained.refuse_unfit(model, real, self.training)

    def pretrain(self, model: Model, real: Split, streams: Streams, progress: Callable[[float], None]) -> str:
        """Make the networks that `pretrained` names, and say what was made."""
        if self.pretrained is None:
            raise InputError('networks: there is nothing to pretrain; add pretrained = {path = "..."} to it')
        return self.pretrained.make(self.training, model, real, streams, progress)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A fresh or pretrained network, or the previous one while it lasts."""
        if previous is not None and self.reuses_network(iteration):
            return previous
        network = model.fresh(real.spec, streams, real.device)
        if self.pretrained is not None:
            network = network.with_state(self.pretrained.pick(model, real, self.training, streams))
        return self._trained(network, real, self.warmup_epochs * len(real), self.warmup_epochs)

    def reuses_network(self, iteration: int) -> bool:
        """Whether the network's `every` outer iterations are not over yet."""
        return iteration % self.every > 0

    def trained_images(self, inner_steps: int, real: Split, synthetic: int) -> int:
        """Those of the warm-up, and between two inner steps `images`, filled up to whole batches."""
        batch = self.training.batch_size
        each = min(-(-self.images // batch) * batch, len(real))
        between = self.every * inner_steps - 1
        return (self.warmup_epochs * len(real) + between * each) // self.every

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network after at least ``images`` real images, but no more than one pass over the data."""
        return self._trained(network, real, self.images, 1)

    def _trained(self, network: Network, real: Split, images: int, passes: int) -> Network:
        preprocessing = self.training.preprocessing(real)
        per_pass = self.training.batches_per_epoch(real)
        last, seen = network.batches + passes * per_pass, 0
        while seen < images and network.batches < last:
            seen += self.training.size_of_next(network, real)
            network = self.training.step(network, real, preprocessing)
        return network
