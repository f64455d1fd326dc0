"""Networks between their initial and their trained weights."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import torch
from pydantic import AfterValidator, Field

from idc.errors import within
from idc.kinds import Model, Network, Networks, Split, Streams, Tensors
from idc.stages import papers
from idc.stages.networks.perturbation import Perturbation
from idc.training.pool import Pool

Share = Annotated[float, Field(ge=0, le=1)]


def _refuse_one_age(pool: Pool) -> Pool:
    if len(pool.epochs) < 2:
        raise ValueError(f"epochs: {list(pool.epochs)} is not allowed; two are needed, such as [0, 20]")
    return pool


def _refuse_descending(share: tuple[float, float]) -> tuple[float, float]:
    if share[0] > share[1]:
        raise ValueError(f"{list(share)} is not allowed; the lower end comes first")
    return share


@final
class Between(Networks):
    """In every outer iteration a network between the first and the last kept age of one of a pool.

    As in the public code of DANCE and NCFM. The weights are ``l · first + (1 - l) · last`` with a random l;
    buffers are those of the last age. The companion ``trained`` is the network at its last age.
    """

    companions: ClassVar[frozenset[str]] = frozenset({"trained"})

    bibtex = papers.DANCE

    type: Literal["between"] = "between"
    pool: Annotated[Pool, AfterValidator(_refuse_one_age)] = Pool()
    """The networks."""
    share: Annotated[tuple[Share, Share], AfterValidator(_refuse_descending)] = (0.0, 1.0)
    """Range of l, the share of the weights at the first age; uniform."""
    perturbation: Perturbation | None = None
    """Move the weights in between at random."""

    def pools(self) -> tuple[Pool]:
        """The pool."""
        return (self.pool,)

    def start(
        self, iteration: int, previous: Network | None, model: Model, real: Split, streams: Streams
    ) -> Network:
        """A network between two ages of a random one of the pool."""
        with within("networks"):
            pooled = self.pool.load(model, real)
        generator = streams.generator("pool")
        networks = pooled[int(torch.randint(len(pooled), (), generator=generator))].networks
        low, high = self.share
        share = low + (high - low) * float(torch.rand((), generator=generator))
        first, last = networks[0], networks[-1]
        weights = interpolated(first.weights, last.weights, share)
        if self.perturbation is not None:
            weights = self.perturbation.perturbed(weights, streams.generator("perturbation"))
        return replace(
            last, streams=streams, weights=weights, companions={"trained": {**last.weights, **last.buffers}}
        )

    def train(self, network: Network, real: Split, synthetic: Callable[[], Split]) -> Network:
        """The network unchanged."""
        return network


def interpolated(first: Tensors, last: Tensors, share: float) -> Tensors:
    """Weights ``share · first + (1 - share) · last``.

    Args:
        first: by name.
        last: by name.
        share: of the first, 0 to 1.
    """
    return {name: share * first[name] + (1 - share) * weight for name, weight in last.items()}
