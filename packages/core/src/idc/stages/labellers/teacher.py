"""Soft labels by networks trained on the real data."""

from collections.abc import Sequence
from typing import Annotated, Literal, final

import torch
from pydantic import Field

from idc.errors import within
from idc.kinds import Batch, Images, InputError, Labeller, Logits, Model, Split
from idc.training.pool import Pool
from idc.training.pooled_network import PooledNetwork
from idc.training.preprocessing import Preprocessing
from idc.training.soft_labels import teacher_logits

BATCH_SIZE = 500
"""Images per forward pass."""


@final
class Teacher(Labeller):
    """The mean logits of the trained networks of a pool, divided by a temperature (Hinton et al., 2015).

    A stored image then costs as many more numbers as there are classes, for each image it decodes to.
    """

    type: Literal["teacher"] = "teacher"
    pool: Pool = Pool()
    """The networks, at the last of their ages; the same pool as that of `[networks]` is trained once."""
    networks: Annotated[int, Field(ge=1)] | None = None
    """How many of them vote; all by default."""
    temperature: Annotated[float, Field(gt=0)] = 1.0
    """The logits are divided by it."""
    wrong: Literal["keep", "one-hot"] = "keep"
    """Images that the networks get wrong: ``keep`` their logits, or take the ``one-hot`` label as logits, as
    in NCFM's public code, whose softmax is nearly uniform."""

    def refuse_unfit(self, model: Model, real: Split) -> None:
        """Check that so many networks can vote.

        Raises:
            InputError: `networks` is larger than the pool.
        """
        if self.networks is not None and self.networks > self.pool.networks:
            raise InputError(
                f"labels.networks: {self.networks} is more than the pool has (labels.pool.networks = "
                f"{self.pool.networks}); set it to at most {self.pool.networks}"
            )

    def pools(self) -> tuple[Pool]:
        """The pool."""
        return (self.pool,)

    def logits(self, images: Batch, model: Model, real: Split) -> Logits:
        """The networks' mean logits without augmentation."""
        with within("labels"):
            voters = self.pool.load(model, real)[: self.networks]
        preprocessing = Preprocessing(real.spec, device=real.device)
        mean = _mean_logits(voters, preprocessing(images.images.to(real.device)))
        if self.wrong == "one-hot":
            mean = teacher_logits(mean, images.labels.to(mean.device))
        return mean / self.temperature


@torch.no_grad()
def _mean_logits(voters: Sequence[PooledNetwork], normalised: Images) -> Logits:
    """Mean logits of the networks at the last of their ages."""
    total = torch.zeros(())
    for voter in voters:
        network = voter.networks[-1]
        with network.evaluating():
            total = torch.cat([network.logits(some) for some in normalised.split(BATCH_SIZE)]) + total
    return total / len(voters)
