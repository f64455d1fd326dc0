"""How networks are computed: the precision of their convolutions, and whether steps are compiled.

Like torch's autocast this holds within a block, for whatever is computed there, and is no argument of every
stage: it says how numbers are computed, never which.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from idc.pipeline import Compile, Precision

T = TypeVar("T")

WORTHWHILE = 5e13
"""Floating-point operations ahead from which ``auto`` compiles, which takes about a minute; eagerly these
take some minutes on two cores. A number of operations rather than a measured time, because the same pipeline
must take the same path, and give the same bits, every time."""


@dataclass(frozen=True)
class Execution:
    """Precision of convolutions, and whether steps are compiled (``auto`` until the work ahead is known)."""

    precision: Precision = "fp32"
    compile: Compile = False
    mapped: bool = False
    """Within ``torch.func.vmap``, where the layout of tensors cannot be chosen."""

    def decided(self, operations: float) -> "Execution":
        """``auto`` decided for so many floating-point operations ahead."""
        return replace(self, compile=operations >= WORTHWHILE if self.compile == "auto" else self.compile)

    @contextmanager
    def active(self) -> Iterator[None]:
        """Compute this way within the block."""
        token = _present.set(self)
        try:
            with _tensor_cores():
                yield
        finally:
            _present.reset(token)

    def during(self, items: Iterator[T]) -> Iterator[T]:
        """The same items, each computed this way; not what is done between them."""
        while True:
            with self.active():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item

    def convolutions(self) -> "_Convolutions | nullcontext[None]":
        """A block whose convolutions are computed in this precision and layout; all else stays as it is."""
        # Eagerly the other layers would pay for the layout what the convolutions save.
        channels_last = bool(self.compile) and not self.mapped
        if self.precision == "fp32" and not channels_last:
            return nullcontext()
        return _Convolutions(self.precision, channels_last)


_present: ContextVar[Execution | None] = ContextVar("execution", default=None)


def present() -> Execution:
    """How things are computed here; float32 and eager unless a block says otherwise."""
    return _present.get() or Execution()


class _Convolutions(TorchFunctionMode):
    """Casts what goes into convolutions and back what comes out, so that norms and losses stay in float32.

    Their inputs may be laid out with channels last, which is what the kernels want.
    """

    FUNCTIONS = (torch.conv1d, torch.conv2d, torch.conv3d)

    def __init__(self, precision: Precision, channels_last: bool) -> None:
        super().__init__()
        self._precision = precision
        self._channels_last = channels_last

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func not in self.FUNCTIONS:
            return func(*args, **kwargs)
        images: Tensor = args[0]
        args = tuple(self._moved(each) for each in args)
        return func(*args, **{name: self._moved(each) for name, each in kwargs.items()}).to(images.dtype)

    def _moved(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        if self._precision == "bf16" and value.dtype == torch.float32:
            value = value.to(torch.bfloat16)
        if self._channels_last and value.ndim == 4:
            value = value.contiguous(memory_format=torch.channels_last)
        return value


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
