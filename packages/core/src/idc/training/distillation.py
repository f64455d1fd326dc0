"""Knowledge distillation: an earlier network's outputs as further targets of a training step."""

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from idc.network.network import Logits, Network, Weights
from idc.runtime.compiler import Like
from idc.shapes import Images, Scalar
from idc.table import Table


class Distillation(Table):
    """Distillation of what an earlier network knows (Hinton et al. 2015; Li and Hoiem 2016), added to the
    cross-entropy as in IDC's public code for class-incremental learning."""

    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Temperature T of both outputs."""
    weight: Annotated[float, Field(ge=0)] = 1.0
    """Factor of the term; 0 distils nothing."""

    def loss(self, logits: Logits, earlier: Float[Tensor, "n known"]) -> Scalar:
        """``weight · T² · KL(earlier ‖ now)`` over the classes that the earlier network knows.

        The divergence is summed over these classes and averaged over the images. (The public code takes the
        mean over both, and multiplies by the number of classes.)

        Args:
            logits: of the network that is trained, (n, classes).
            earlier: of the earlier one, (n, known): of the first classes.
        """
        known = logits[:, : earlier.shape[1]]
        now = nn.functional.log_softmax(known / self.temperature, 1)
        then = nn.functional.softmax(earlier / self.temperature, 1)
        divergence = nn.functional.kl_div(now, then, reduction="batchmean")
        return self.weight * self.temperature**2 * divergence


@dataclass(frozen=True, eq=False)
class Teacher:
    """An earlier network, and how it is distilled into another one."""

    network: Network
    distillation: Distillation

    @property
    def state(self) -> Weights:
        """The tensors that `loss` takes."""
        return {**self.network.weights, **self.network.buffers}

    @property
    def key(self) -> Like:
        """Teachers with equal keys compute the same function of `state`, images and logits."""
        return Like(self.distillation, self.network.architecture)

    def loss(self, images: Images, logits: Logits, state: Weights) -> Scalar:
        """The distillation loss of a batch.

        Args:
            images: as the network that is trained got them: normalised, augmented and mixed.
            logits: that it made of them.
            state: of the teacher.
        """
        weights = {name: state[name] for name in self.network.weights}
        buffers = {name: state[name] for name in self.network.buffers}
        with self.network.evaluating(), torch.no_grad():
            earlier = self.network.logits(images, weights, buffers)
        return self.distillation.loss(logits, earlier)
