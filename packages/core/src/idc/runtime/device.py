"""The device of a run: a property of the machine, never part of the experiment."""

from functools import lru_cache
from textwrap import shorten
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from idc.errors import InputError, first_line

Tree = TypeVar("Tree")


def choose(name: str = "auto", rank_on_machine: int = 0) -> torch.device:
    """The device of a name.

    Args:
        name: ``auto`` (a CUDA GPU if there is one, else the CPU) or an argument of ``torch.device``.
        rank_on_machine: of this process among several; without a number in ``name``, each gets its own GPU.

    Raises:
        InputError: the name is unknown, or the device is not available.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and rank_on_machine:
        name = f"cuda:{rank_on_machine}"
        if rank_on_machine >= (count := torch.cuda.device_count()):
            # NCCL refuses two processes on one.
            raise InputError(
                f"device: there is no GPU for process {rank_on_machine} of this machine, which has {count}; "
                f"start at most {count} processes, or set --device cpu"
            )
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = shorten(first_line(error), 100, placeholder=" …")
        others = "auto, cpu or cuda" if torch.cuda.is_available() else "auto or cpu"
        raise InputError(f"device: {name!r} is not available ({reason}); choose {others}") from None
    return device


def moved_together(drawn: Tree, device: torch.device) -> Tree:
    """CPU tensors moved in one non-blocking copy per dtype.

    A step has many small random parameters, and every copy to a GPU costs as much as a kernel launch.

    Args:
        drawn: tensors in dictionaries, tuples and lists.
        device: the target.

    Returns:
        The same structure with the tensors on the device.
    """
    if device.type == "cpu":
        return drawn
    tensors: list[Tensor]
    tensors, structure = pytree.tree_flatten(drawn)
    moved: dict[torch.dtype, list[Tensor]] = {}
    for dtype in {tensor.dtype for tensor in tensors}:
        same = [tensor.flatten() for tensor in tensors if tensor.dtype == dtype]
        block = torch.cat(same).pin_memory() if device.type == "cuda" else torch.cat(same)
        moved[dtype] = list(block.to(device, non_blocking=True).split([len(tensor) for tensor in same]))
    restored = [moved[tensor.dtype].pop(0).view(tensor.shape) for tensor in tensors]
    return pytree.tree_unflatten(restored, structure)


@lru_cache(maxsize=256)
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor, cached because creating one synchronises the GPU. It must not be changed."""
    return torch.tensor(values, dtype=dtype, device=device)


def out_of_memory(error: Exception) -> bool:
    """Whether an error means that the device or the machine is out of memory."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def memory_shortage(error: Exception) -> str:
    """What an `out_of_memory` error means, for users."""
    return f"there is not enough memory ({first_line(error)})"
