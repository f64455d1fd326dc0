"""The network of each inner step."""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.network.network import Network
from idc.network.packed import NetworkFacts, packed, unpacked
from idc.runtime.processes import Processes
from idc.seeding import Streams


class MatchedNetworks:
    """The networks that a pipeline's inner steps match.

    Those that depend on the data and the seed alone are trained ahead if there are several processes: each
    trains those of one outer iteration, or of several that reuse the same network, at the same time. Then
    these iterations are matched one after another.

    Args:
        plan: the pipeline.
        train: the real images.
        streams: the run's.
        processes: of the run.
        like: any network of the pipeline's model and seed.
    """

    def __init__(
        self, plan: Pipeline, train: Split, streams: Streams, processes: Processes, like: Network
    ) -> None:
        self._plan = plan
        self._train = train
        self._streams = streams
        self._processes = processes
        self._like = like
        self._steps = plan.iterations * plan.inner_steps

    def following(
        self, step: int, network: Network | None, synthetic: Callable[[], Split]
    ) -> Iterator[Network]:
        """The network of each inner step from a certain one on; trained when it is asked for, or ahead.

        Args:
            step: the first one, counted from the beginning of the run.
            network: what the step before it matched; None if this step does not depend on it.
            synthetic: decodes the current synthetic images.
        """
        if self._processes.count > 1 and self._plan.networks.independent:
            return self._ahead(step, network)
        return self._one_by_one(step, network, synthetic)

    def _one_by_one(
        self, step: int, network: Network | None, synthetic: Callable[[], Split]
    ) -> Iterator[Network]:
        networks, model = self._plan.networks, self._plan.model
        while step < self._steps:
            iteration, inner_step = divmod(step, self._plan.inner_steps)
            before = network
            if inner_step == 0:
                streams = self._streams.child("networks", iteration)
                network = networks.start(iteration, before, model, self._train, streams)
            assert network is not None, "a state within an outer iteration has a network"
            # Trained right before it is matched again, so that no training is wasted.
            if network is before:
                network = networks.train(network, self._train, synthetic)
            yield network
            step += 1

    def _ahead(self, step: int, network: Network | None) -> Iterator[Network]:
        while step < self._steps:
            chains = list(islice(self._chains(step), self._processes.count))
            if len(chains) == 1:
                # Nothing to divide, and no reason to keep many networks.
                yield from self._one_by_one(step, network, _refused)
                return
            trained = self._trained(chains, network)
            self._processes.meet()
            for source, chain in enumerate(chains):
                for _ in chain:
                    # Freed once it is matched.
                    own = trained.popleft() if source == self._processes.rank else None
                    network = self._of(source, own)
                    yield network
            step = chains[-1].stop

    def _chains(self, step: int) -> Iterator[range]:
        """The inner steps from one on, divided where a network begins that does not depend on others."""
        inner_steps = self._plan.inner_steps
        while step < self._steps:
            iteration = step // inner_steps + 1
            while iteration < self._plan.iterations and self._plan.networks.reuses_network(iteration):
                iteration += 1
            yield range(step, iteration * inner_steps)
            step = iteration * inner_steps

    def _trained(self, chains: list[range], network: Network | None) -> deque[Network]:
        """The networks of this process's chain, all of them trained; none if there are fewer chains."""
        found, rank = deque[Network](), self._processes.rank
        if rank < len(chains):
            # Only the first chain may have begun already.
            before = network if rank == 0 else None
            for each in islice(self._one_by_one(chains[rank].start, before, _refused), len(chains[rank])):
                found.append(each)
                self._processes.beat()
        return found

    def _of(self, source: int, network: Network | None) -> Network:
        """The network that one process has, in all."""
        tensors, facts = ({}, None) if network is None else packed(network)
        told = facts and facts.model_dump()
        tensors, told = self._processes.broadcast(tensors, source, self._train.device, told)
        if network is not None:
            return network
        return unpacked(tensors, NetworkFacts.model_validate(told), self._like)


def _refused() -> Split:
    raise TypeError("networks that declare `independent` are not trained on synthetic images")
