"""What the benchmarks of speed compute on: random images of any size under a preset, compiled."""

import argparse
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch

from idc.condensation.loop import Condensation, condense
from idc.config.pipeline import Pipeline
from idc.data.split import RealData, Split
from idc.network.network import Network
from idc.runtime.options import Precision
from idc.seeding import Streams
from idc.spec import ImageSpec
from idc_cli.allocator import keep_freed_memory

PRESETS = Path(__file__).parent.parent / "pipelines"
CIFAR10 = "cifar10-ipc10-idc"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)


def compiled(
    preset: str, precision: Precision = "fp32", changes: Mapping[str, object] | None = None
) -> Pipeline:
    """A preset, compiled; changes are values at dotted keys of the pipeline."""
    overrides = {"precision": precision, "compile": True, **(changes or {})}
    return Pipeline.load(PRESETS / f"{preset}.toml", overrides)


def narrowed(width: float) -> dict[str, object]:
    """The changes of a preset's ConvNet that make it a fraction of its width."""
    return {"model.width": round(128 * width)}


def colour_images(
    size: int, classes: int = 10, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD
) -> ImageSpec:
    """Square images of three channels."""
    names = tuple(f"class {label}" for label in range(classes))
    return ImageSpec(channels=3, height=size, width=size, classes=names, mean=mean, std=std)


def random_images(spec: ImageSpec, per_class: int) -> Split:
    """Bytes without any content, which take the same time as any other."""
    labels = torch.arange(len(spec.classes)).repeat_interleave(per_class)
    shape = (len(labels), *spec.shape)
    pixels = torch.randint(256, shape, dtype=torch.uint8, generator=Streams(0).generator("pixels"))
    return Split(pixels, labels, spec)


def prepared(
    plan: Pipeline, split: Split, device: torch.device, classes_at_once: int | Literal["auto"] = 1
) -> tuple[Condensation, Network]:
    """A condensation that has not begun, and a fresh network."""
    condensation = condense(plan, RealData(split, split), device=str(device), classes_at_once=classes_at_once)
    return condensation, plan.model.fresh(split.spec, Streams(0), device)


def arguments(description: str | None) -> argparse.ArgumentParser:
    """The command line that benchmarks of speed share."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--width", type=float, default=1.0, help="of all networks; less than 1 only to try the benchmark"
    )
    return parser


def begin() -> None:
    """Set this process up as for every benchmark of speed."""
    keep_freed_memory()
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(0)


def wait(device: torch.device) -> None:
    """Until the device has done what it was asked to."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def machine(device: torch.device) -> str:
    """What results depend on beside the code."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    threads = f"{torch.get_num_threads()} threads"
    return f"torch {torch.__version__}, {name}, {device}, {threads}"
