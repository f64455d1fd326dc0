"""Assertions common to the checks of all kinds."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pydantic import ValidationError
from torch import Tensor

from idc.errors import first_line
from idc.kinds.stage import Stage
from idc.shapes import Codes, Tensors
from idc.spec import ImageSpec

META = torch.device("meta")
"""A device that knows shapes only, and computes nothing."""


def check_stage(stage: Stage) -> None:
    """A stage of any kind is frozen, survives a JSON round trip, and refuses unknown keys."""
    kind = type(stage)
    named = isinstance(kind.model_fields["type"].default, str)
    assert named, 'the class has no type name; declare type: Literal["name"] = "name"'
    assert kind.model_validate_json(stage.model_dump_json()) == stage, "a JSON round trip changes the stage"
    assert kind.model_config.get("frozen"), "a stage must be frozen"
    try:
        kind.model_validate({**stage.model_dump(), "no_such_key": 1})
    except ValidationError:
        return
    raise AssertionError("an unknown key is accepted")


@contextmanager
def global_generator_untouched() -> Iterator[None]:
    """Assert that the block leaves the state of torch's global generator unchanged."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "random draws come from the global generator"


@contextmanager
def computed_anywhere(what: str) -> Iterator[None]:
    """Assert that the block, which is given tensors on ``META``, can compute on another device than the CPU.

    Operations on tensors of two devices are refused there as on a GPU, and so is reading a value, for which
    a GPU would have to wait.
    """
    try:
        yield
    except (RuntimeError, NotImplementedError) as error:
        raise AssertionError(
            f"{what}: on another device than the CPU, a tensor is left on the CPU or a value is read "
            f"({first_line(error)})"
        ) from error


def moved(tensors: Tensors) -> Tensors:
    """The tensors on ``META``."""
    return {name: tensor.to(META) for name, tensor in tensors.items()}


def assert_in_range(images: Tensor, spec: ImageSpec, what: str, tolerance: float = 0.0) -> None:
    """Assert that images are finite and within the value range."""
    assert bool(images.isfinite().all()), f"{what}: a value is not finite"
    assert float(images.min()) >= spec.low - tolerance, f"{what}: a value is below {spec.low}"
    if spec.high is not None:
        assert float(images.max()) <= spec.high + tolerance, f"{what}: a value is above {spec.high}"


def equal(first: Codes, second: Codes) -> bool:
    """Whether two sets of named tensors are bitwise equal."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
