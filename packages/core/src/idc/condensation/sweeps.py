"""The sweeps of an inner step: each matches every class, then updates the codes."""

from dataclasses import replace

import torch

from idc.condensation.inner_step import Distances, Matching
from idc.condensation.state import State
from idc.config.pipeline import Pipeline
from idc.network.network import Network
from idc.spec import ImageSpec
from idc.synset.codes import optimised


def swept(
    plan: Pipeline, spec: ImageSpec, matching: Matching, network: Network, state: State
) -> tuple[State, Distances]:
    """Match every class and update the codes, once for each of the objective's sweeps.

    Args:
        plan: the pipeline.
        spec: of the images.
        matching: of the run.
        network: the network being matched.
        state: before the inner step; its number determines the draws.

    Returns:
        The state with new codes, new buffers of the optimizer and what the objective remembers now, but the
        same number; and the distance of each class, summed over the sweeps.
    """
    decoder, sweeps, total = plan.decoder, plan.objective.sweeps(), torch.zeros(())
    codes, buffers, remembered = state.codes, state.optimizer, state.remembered
    for sweep in range(sweeps):
        moving, number = optimised(decoder, codes), state.step * sweeps + sweep
        moving = plan.optimizer.before_gradients(moving, buffers, number, decoder.shared)
        found = matching(
            network, {**codes, **moving}, state.step, state.prepared, state.refreshed, sweep, remembered
        )
        moving, buffers = plan.optimizer.update(moving, buffers, found.gradients, number, decoder.shared)
        codes = {**codes, **moving}
        if decoder.projects_each_step:
            codes = decoder.project(codes, spec)
        total = found.distances if sweep == 0 else total + found.distances
        if sweep == sweeps - 1:
            remembered = found.remembered
    return replace(state, codes=codes, optimizer=buffers, remembered=remembered), total
