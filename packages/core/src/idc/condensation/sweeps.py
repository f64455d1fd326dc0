"""The sweeps of an inner step: each matches every class, then updates the codes."""

from dataclasses import replace

import torch

from idc.condensation.inner_step import Distances, Matching
from idc.condensation.share import Share
from idc.condensation.state import State
from idc.config.pipeline import Pipeline
from idc.kinds.optimizer import AVERAGE
from idc.network.network import Network
from idc.spec import ImageSpec
from idc.synset.codes import optimised


def swept(
    plan: Pipeline, spec: ImageSpec, matching: Matching, share: Share, network: Network, state: State
) -> tuple[State, Distances]:
    """Match every class and update the codes, once for each of the objective's sweeps.

    Args:
        plan: the pipeline.
        spec: of the images.
        matching: of the run.
        share: of the classes among processes.
        network: the network being matched.
        state: this process's, before the inner step; its number determines the draws.

    Returns:
        The state with new codes, new buffers of the optimizer and what the objective remembers now, but the
        same number; and the distance of each class, summed over the sweeps.
    """
    decoder, sweeps, total = plan.decoder, plan.objective.sweeps(), torch.zeros(())
    codes, buffers, remembered = state.codes, state.optimizer, state.remembered
    for sweep in range(sweeps):
        moving, number = optimised(decoder, codes), state.step * sweeps + sweep
        moving = plan.optimizer.before_gradients(moving, buffers, number, decoder.shared, share.rows)
        found = matching(
            network, {**codes, **moving}, state.step, state.prepared, state.refreshed, sweep, remembered
        )
        # Added in the order of classes in every process, because sums are rounded.
        gradients = {
            name: share.gathered(each).sum(0) if name in decoder.shared else each
            for name, each in found.gradients.items()
        }
        moving, buffers = plan.optimizer.update(
            moving, buffers, gradients, number, decoder.shared, share.rows
        )
        codes = {**codes, **moving}
        if decoder.projects_each_step:
            codes = decoder.project(codes, spec)
        total = found.distances if sweep == 0 else total + found.distances
        if sweep == sweeps - 1:
            remembered = found.remembered
    if AVERAGE in state.optimizer:
        average = plan.optimizer.follow(state.optimizer[AVERAGE], codes, state.step)
        buffers = {**buffers, AVERAGE: average}
    now = replace(state, codes=codes, optimizer=buffers, remembered=remembered)
    return now, share.gathered(total)
