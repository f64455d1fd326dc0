"""The golden tensors, and what it means to agree with them."""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from idc.network.network import Network
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc_models.convnet import ConvNet

GOLDEN = Path(__file__).parent / "golden"


class Case(NamedTuple):
    """One golden file."""

    tensors: dict[str, Tensor]
    """Floating ones in float64."""
    header: dict[str, str]

    def __getitem__(self, name: str) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.tensors[name]

    def weights(self) -> dict[str, Tensor]:
        """The network's weights by name."""
        return {
            name.removeprefix("weight."): tensor
            for name, tensor in self.tensors.items()
            if name.startswith("weight.")
        }


def load_golden(name: str) -> Case:
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        loaded = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        header = dict(file.metadata())
    return Case(
        {key: value.double() if value.is_floating_point() else value for key, value in loaded.items()}, header
    )


def golden_names(prefix: str) -> list[str]:
    names = sorted(path.stem for path in GOLDEN.glob(f"{prefix}*.safetensors"))
    assert names, f"no golden file begins with {prefix}"
    return names


def assert_exact(found: Tensor, expected: Tensor, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    """Agreement of float64 results, as tight as the golden README asks for."""
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


def golden_convnet(case: Case, classes: int) -> Network:
    """A ConvNet with a golden case's weights, in float64."""
    weights = case.weights()
    width, channels = weights["layers.conv.0.weight"].shape[:2]
    size = int(case.header["image_size" if "image_size" in case.header else "size"])
    spec = ImageSpec(
        channels=channels,
        height=size,
        width=size,
        classes=tuple(map(str, range(classes))),
        mean=(0.0,) * channels,
        std=(1.0,) * channels,
    )
    depth = sum(name.startswith("layers.conv.") and name.endswith(".weight") for name in weights)
    module = ConvNet(depth=depth, width=width).build(spec).double()
    module.load_state_dict(weights)
    return Network.of(module, Streams(0))
