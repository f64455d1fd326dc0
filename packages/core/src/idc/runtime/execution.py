"""How networks are computed: the precision of their convolutions, and whether steps are compiled.

Like torch's autocast this holds within a block, for whatever is computed there, and is no argument of every
stage: it says how numbers are computed, never which.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from idc.errors import Notice
from idc.runtime.options import Compile, NumberFormat, Precision

T = TypeVar("T")

WORTHWHILE = 5e13
"""Floating-point operations ahead from which ``auto`` compiles, which takes about a minute; eagerly these
take some minutes on two cores. A number of operations rather than a measured time, because the same pipeline
must take the same path, and give the same bits, every time."""


class EmulatedPrecision(Notice):
    """bfloat16 was asked for where it is emulated: slower than float32, and rounded more."""


@dataclass(frozen=True)
class Execution:
    """Precision of convolutions, and whether steps are compiled (``auto`` until the work ahead is known)."""

    precision: NumberFormat = "fp32"
    compile: Compile = False
    mapped: bool = False
    """Within ``torch.func.vmap``, where the memory layout of tensors cannot be chosen."""

    @classmethod
    def on(cls, device: torch.device, precision: Precision, compile: Compile) -> "Execution":
        """What a pipeline's options mean on a device.

        ``precision = "auto"`` depends on the hardware alone, so that a run repeated on the same machine gives
        the same bits.
        """
        if precision == "auto":
            return cls("bf16" if computes_bf16(device) else "fp32", compile)
        if precision == "bf16" and not computes_bf16(device):
            _warn_of_emulation(device)
        return cls(precision, compile)

    def eager(self) -> "Execution":
        """The same without compiling."""
        return replace(self, compile=False)

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled; not while this is undecided."""
        return self.compile is True

    def decided(self, operations: float) -> "Execution":
        """``auto`` decided for so many floating-point operations ahead."""
        return replace(self, compile=operations >= WORTHWHILE if self.compile == "auto" else self.compile)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Compute this way within the block."""
        token = _current.set(self)
        try:
            with _tensor_cores():
                yield
        finally:
            _current.reset(token)

    def during(self, items: Iterator[T]) -> Iterator[T]:
        """The same items, each computed this way; not what is done between them."""
        while True:
            with self.active():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def layers(self) -> AbstractContextManager[object]:
        """A block whose convolutions have this precision and whose layers are as the compiler likes them."""
        if self.precision == "fp32" and not self.compiled:
            return nullcontext()
        return _Layers(self)


_current: ContextVar[Execution | None] = ContextVar("execution", default=None)


def current_execution() -> Execution:
    """How things are computed here; float32 and eager unless a block says otherwise."""
    return _current.get() or Execution()


def computes_bf16(device: torch.device) -> bool:
    """Whether a device has instructions for bfloat16: AVX512_BF16, AMX, ARM BF16, or a GPU from Ampere on."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@cache
def _warn_of_emulation(device: torch.device) -> None:
    warnings.warn(
        f"precision = 'bf16' is emulated on {device}, which takes longer than 'fp32'; set 'auto' to use it "
        "only where the hardware has it",
        EmulatedPrecision,
        3,
    )


CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)


class _Layers(TorchFunctionMode):
    """Computes some layers of unmodified modules otherwise.

    Convolutions cast what goes in and back what comes out, so that norms and losses stay in float32. For the
    compiler their tensors have channels last, and average pooling is the mean of an unfolded tensor: that
    fuses with the norms around it, which takes a fifth of a training step's time away.
    """

    def __init__(self, execution: Execution) -> None:
        super().__init__()
        self._half = execution.precision == "bf16"
        self._compiled = execution.compiled
        self._channels_last = self._compiled and not execution.mapped

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in CONVOLUTIONS:
            dtype = _argument(args, kwargs, 0, "input").dtype
            moved = {name: self._moved(value) for name, value in kwargs.items()}
            return func(*map(self._moved, args), **moved).to(dtype)
        if self._compiled and func is nn.functional.avg_pool2d and not kwargs and _apart(*args):
            return _averaged(args[0], args[1])
        return func(*args, **kwargs)

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if self._half and value.dtype == torch.float32:
            value = value.to(torch.bfloat16)
        if self._channels_last and value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value


class Operations(TorchFunctionMode):
    """Counts the multiplications and additions of convolutions and linear layers within the block."""

    # Not torch's own counter, which imports the compiler and with it takes seconds.

    def __init__(self) -> None:
        super().__init__()
        self.number = 0.0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in (*CONVOLUTIONS, nn.functional.linear):
            weight = _argument(args, kwargs or {}, 1, "weight")
            self.number += 2 * result.numel() * weight[0].numel()
        return result


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str) -> Tensor:
    return args[position] if len(args) > position else kwargs[name]


def _apart(
    images: Tensor,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> bool:
    """Whether the windows of a pooling are square, lie side by side, and divide the image."""
    side_by_side = isinstance(kernel, int) and stride in (None, kernel) and padding == 0 and divisor is None
    return side_by_side and images.ndim == 4 and not (images.shape[2] % kernel or images.shape[3] % kernel)


def _averaged(images: Tensor, kernel: int) -> Tensor:
    height, width = images.shape[2] // kernel, images.shape[3] // kernel
    return images.unflatten(3, (width, kernel)).unflatten(2, (height, kernel)).mean((3, 5))


@contextmanager
def _tensor_cores() -> Iterator[None]:
    """TF32 for matrix products too, as for convolutions; without a GPU there is none."""
    if not torch.cuda.is_available():
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
