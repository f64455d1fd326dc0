"""How networks are computed: the precision of convolutions, and whether steps are compiled.

Like torch's autocast, it is a context manager that holds for everything computed within the block.
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

COMPILE_THRESHOLD = 5e13
"""Remaining floating-point operations from which ``auto`` compiles. Compiling takes about a minute; eagerly,
these take a few minutes on two cores. Not a measured time, because the same pipeline must always take the
same path and give the same bits."""


class EmulatedPrecision(Notice):
    """bfloat16 was selected on hardware that emulates it: slower than float32, and less precise."""


@dataclass(frozen=True)
class Execution:
    """Precision of convolutions, and whether steps are compiled (``auto``: not yet decided)."""

    precision: NumberFormat = "fp32"
    compile: Compile = False
    mapped: bool = False
    """Within ``torch.func.vmap``, where the memory layout of tensors cannot be chosen."""

    @classmethod
    def on(cls, device: torch.device, precision: Precision, compile: Compile) -> "Execution":
        """A pipeline's options on a device.

        ``precision = "auto"`` depends only on the hardware, so that a run gives the same bits on the same
        machine.
        """
        if precision == "auto":
            return cls("bf16" if computes_bf16(device) else "fp32", compile)
        if precision == "bf16" and not computes_bf16(device):
            _warn_of_emulation(device)
        return cls(precision, compile)

    def eager(self) -> "Execution":
        """The same, not compiled."""
        return replace(self, compile=False)

    @property
    def compiled(self) -> bool:
        """Whether steps are compiled; false while ``auto`` is undecided."""
        return self.compile is True

    def decided(self, operations: float) -> "Execution":
        """With ``auto`` decided, given the remaining floating-point operations."""
        compile = operations >= COMPILE_THRESHOLD if self.compile == "auto" else self.compile
        return replace(self, compile=compile)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Compute this way within the block."""
        token = _current.set(self)
        try:
            with _tf32_matmul():
                yield
        finally:
            _current.reset(token)

    def during(self, items: Iterator[T]) -> Iterator[T]:
        """The items of an iterator, computed this way; the consumer's code in between is not affected."""
        while True:
            with self.active():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def layers(self) -> AbstractContextManager[object]:
        """A context for forward passes: this precision of convolutions, and layers suited to the compiler."""
        if self.precision == "fp32" and not self.compiled:
            return nullcontext()
        return _Layers(self)


_current: ContextVar[Execution | None] = ContextVar("execution", default=None)


def current_execution() -> Execution:
    """The innermost active execution; float32 and eager by default."""
    return _current.get() or Execution()


def computes_bf16(device: torch.device) -> bool:
    """Whether a device computes bfloat16 natively: AVX512_BF16, AMX, ARM BF16, or a GPU since Ampere."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


@cache
def _warn_of_emulation(device: torch.device) -> None:
    warnings.warn(
        f"precision = 'bf16' is emulated on {device} and slower than 'fp32'; set 'auto' to use it only where "
        "the hardware supports it",
        EmulatedPrecision,
        3,
    )


CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)


class _Layers(TorchFunctionMode):
    """Replaces some operations of unmodified modules.

    Convolutions cast inputs to bfloat16 and outputs back, so that norms and losses stay in float32.
    When compiled, convolutions use channels last, and average pooling is the mean over an unflattened tensor,
    which fuses with the norms around it: a training step takes a fifth less time.
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
            images = _argument(args, kwargs, 0, "input")
            single = (
                self._channels_last and func is torch.conv2d and images.ndim == 4 and images.shape[1] == 1
            )
            converted = {name: self._converted(value, single) for name, value in kwargs.items()}
            return func(*(self._converted(value, single) for value in args), **converted).to(images.dtype)
        if self._compiled and func is nn.functional.avg_pool2d and not kwargs and _tiles_image(*args):
            return _average_pool(args[0], args[1])
        return func(*args, **kwargs)

    def _converted(self, value: Any, single: bool) -> Any:
        if not isinstance(value, Tensor):
            return value
        if single and value.ndim == 4:
            # One channel has no layout of its own, so that oneDNN would take the slower one for what follows.
            value = nn.functional.pad(value, (0, 0, 0, 0, 0, 1))
        if self._half and value.dtype == torch.float32:
            value = value.to(torch.bfloat16)
        if self._channels_last and value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value


class Operations(TorchFunctionMode):
    """Counts the multiplications and additions of convolutions and linear layers within the block."""

    # torch's own counter imports the compiler, which takes seconds.

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


def _tiles_image(
    images: Tensor,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil: bool = False,
    count_padding: bool = True,
    divisor: int | None = None,
) -> bool:
    """Whether pooling windows are square, do not overlap, and cover the image exactly."""
    adjacent = isinstance(kernel, int) and stride in (None, kernel) and padding == 0 and divisor is None
    return adjacent and images.ndim == 4 and not (images.shape[2] % kernel or images.shape[3] % kernel)


def _average_pool(images: Tensor, kernel: int) -> Tensor:
    height, width = images.shape[2] // kernel, images.shape[3] // kernel
    return images.unflatten(3, (width, kernel)).unflatten(2, (height, kernel)).mean((3, 5))


@contextmanager
def _tf32_matmul() -> Iterator[None]:
    """TF32 for matrix products, as for convolutions; no effect without a GPU."""
    if not torch.cuda.is_available():
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
