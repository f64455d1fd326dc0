"""Memory that a computation needs, determined without allocating it, and memory of the machine."""

import weakref
from collections.abc import Callable
from typing import Any

import psutil
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


def peak(function: Callable[..., object], *inputs: Any) -> int:
    """Peak bytes of tensors that an eager call of a function allocates, besides its inputs.

    The function runs on fake tensors. A compiled graph fuses operations and needs less. Workspace of
    operations is not counted.

    Args:
        function: of tensors, or of dictionaries, tuples and lists of them.
        inputs: its arguments.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, _AllocationCounter() as counter:
        fake = pytree.tree_map_only(Tensor, mode.from_tensor, inputs)
        counter.ignore(fake)
        function(*fake)
    return counter.peak


def available(device: torch.device) -> int:
    """Free bytes on a CUDA device, else of the machine's memory."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return psutil.virtual_memory().available


def used(device: torch.device) -> int:
    """Bytes that this process holds on a CUDA device, else in the machine's memory."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    return psutil.Process().memory_info().rss


def _address(storage: torch.UntypedStorage) -> int:
    # Fake storages have no data pointer.
    return storage._cdata  # pyright: ignore[reportPrivateUsage]


def _storages(tensors: object) -> list[torch.UntypedStorage]:
    leaves = pytree.tree_leaves(tensors)
    return [leaf.untyped_storage() for leaf in leaves if isinstance(leaf, Tensor)]


class _AllocationCounter(TorchDispatchMode):
    """Tracks the bytes of live storages, from their first appearance until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._now = 0
        self._known: set[int] = set()

    def ignore(self, tensors: object) -> None:
        self._known |= {_address(storage) for storage in _storages(tensors)}

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for storage in _storages(results):
            self._add(storage)
        return results

    def _add(self, storage: torch.UntypedStorage) -> None:
        address, size = _address(storage), storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._remove, address, size)

    def _remove(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._now -= size
