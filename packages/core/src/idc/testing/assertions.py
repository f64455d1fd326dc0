"""What every check asserts, whatever the kind."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from pydantic import ValidationError
from torch import Tensor

from idc.kinds.stage import Stage
from idc.shapes import Codes
from idc.spec import ImageSpec


def check_stage(stage: Stage) -> None:
    """A stage of any kind is frozen, survives JSON, and refuses keys it does not have."""
    kind = type(stage)
    named = isinstance(kind.model_fields["type"].default, str)
    assert named, 'the class has no name; declare type: Literal["name"] = "name"'
    assert kind.model_validate_json(stage.model_dump_json()) == stage, "JSON and back gives another stage"
    assert kind.model_config.get("frozen"), "a stage is frozen"
    try:
        kind.model_validate({**stage.model_dump(), "no_such_key": 1})
    except ValidationError:
        return
    raise AssertionError("an unknown key is accepted")


@contextmanager
def global_generator_untouched() -> Iterator[None]:
    """Within the block nothing may draw from torch's global generator, unless it puts its state back."""
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "random draws come from the global generator"


def assert_in_range(images: Tensor, spec: ImageSpec, what: str, tolerance: float = 0.0) -> None:
    """Images are finite and within the spec's value range."""
    assert bool(images.isfinite().all()), f"{what}: a value is not finite"
    assert float(images.min()) >= spec.low - tolerance, f"{what}: a value is below {spec.low}"
    if spec.high is not None:
        assert float(images.max()) <= spec.high + tolerance, f"{what}: a value is above {spec.high}"


def equal(first: Codes, second: Codes) -> bool:
    """Whether two sets of named tensors are the same to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
