"""A trial of every stage on a few images, to find problems before a run."""

from dataclasses import replace

import torch

from idc.condensation.pretraining import Pretraining
from idc.config.pipeline import Pipeline
from idc.data.split import Split
from idc.errors import InputError
from idc.network.network import Network
from idc.network.view import NetworkView
from idc.seeding import Streams
from idc.shapes import Batch, Indices, Tensors
from idc.training.preprocessing import Preprocessing


def try_stages(
    plan: Pipeline, real: Split, preprocessing: Preprocessing, streams: Streams, device: torch.device
) -> tuple[Network, Tensors]:
    """Try every stage on a few images.

    Args:
        plan: the pipeline.
        real: the training split, on the device.
        preprocessing: with the augmentations of the matching.
        streams: the run's.
        device: to compute on.

    Returns:
        A network of the pipeline's model, and what `Objective.prepare` returned for two images of each class.

    Raises:
        InputError: a stage does not fit the data, or two stages do not fit each other.
    """
    spec, members = real.spec, real.members
    plan.decoder.capacity(plan.images_per_class, spec)
    preprocessing.refuse_unfit()
    plan.networks.refuse_unfit(plan.model, real)
    plan.labels.refuse_unfit(plan.model, real)
    Pretraining.of(plan, real, seen=[real]).refuse_unfit()
    for evaluator in plan.evaluate:
        if evaluator.reads_synsets and (plan.labels.soft or plan.decoder.soft_labels()):
            evaluator.refuse_soft_labels()
    network = _like_those_matched(plan, real, streams.child("check"))

    def normalised(some: Indices) -> Batch:
        batch = real.batch(some)
        return Batch(preprocessing(batch.images), batch.labels)

    few_real, syn = (normalised(members[0][:count]) for count in (2, min(2, plan.images_per_class)))
    few = real.at(torch.cat([each[:2] for each in members]))
    if plan.sampler.refreshes(0):
        plan.sampler.refresh(few.members[0], few, network, 0, streams.child("check"))
    try:
        with streams.seeded("check", device=device):
            prepared = prepare(plan, few, streams)
            drawn = plan.objective.draw(prepared, streams.generator("check"))
            drawn = {name: tensor.to(device) for name, tensor in drawn.items()}
            remembered: Tensors = {}
            for _ in range(2):
                views = [
                    NetworkView(network, prepared, drawn, sweep, remembered=remembered)
                    for sweep in range(plan.objective.sweeps())
                ]
                for view in views:
                    plan.objective.distance(view, few_real, syn)
                remembered = plan.objective.remember(views[-1], few_real, syn)
                # Without a memory, the second match would be the first again.
                if not remembered:
                    break
    except InputError:
        raise
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"objective: {plan.objective.type!r} cannot be computed with {plan.model.label()} for images of "
            f"shape {spec.shape} ({error}); choose another model"
        ) from error
    return network, prepared


def _like_those_matched(plan: Pipeline, real: Split, streams: Streams) -> Network:
    """An untrained network with untrained companions, as `plan.networks` provides them."""
    network = plan.model.fresh(real.spec, streams, real.device)
    others = (
        plan.model.fresh(real.spec, streams.child(name), real.device) for name in plan.networks.companions
    )
    return replace(
        network,
        companions={
            name: {**other.weights, **other.buffers}
            for name, other in zip(plan.networks.companions, others, strict=True)
        },
        facts={name: torch.ones((), device=real.device) for name in plan.networks.facts},
    )


@torch.no_grad()
def prepare(plan: Pipeline, real: Split, streams: Streams) -> Tensors:
    """What the objective prepares: constants on the split's device, drawn from its own streams.

    Args:
        plan: the pipeline.
        real: the training split.
        streams: the run's.
    """
    own = streams.child("objective")
    # Layers that draw (dropout) know only torch's global generators.
    with own.seeded("layers", device=real.device):
        prepared = plan.objective.prepare(real, plan.model, own)
    return {name: tensor.to(real.device) for name, tensor in prepared.items()}
