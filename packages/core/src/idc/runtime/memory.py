"""How much memory a computation takes, found without having it."""

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode


def peak(function: Callable[..., object], *inputs: Any) -> int:
    """Bytes that a function of tensors holds at most beside its inputs, if it is computed eagerly.

    The function runs on tensors that have shapes but no data. A compiled graph fuses operations and holds
    less. Operations may need working memory of their own, which is not counted.

    Args:
        function: of tensors, or of dictionaries, tuples and lists of them.
        inputs: what it is called with.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, _Held() as held:
        fake = pytree.tree_map_only(Tensor, mode.from_tensor, inputs)
        held.ignore(fake)
        function(*fake)
    return held.most


def available(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where that cannot be said."""
    if device.type == "cuda":
        kept_for_reuse = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept_for_reuse
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = dict(line.split(":", 1) for line in lines)
    return int(found["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in found else None


def used(device: torch.device) -> int | None:
    """Bytes that this process holds on a device; None where that cannot be said."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device)
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _address(storage: torch.UntypedStorage) -> int:
    # Storages without data have no other.
    return storage._cdata  # pyright: ignore[reportPrivateUsage]


def _storages(tensors: object) -> list[torch.UntypedStorage]:
    leaves = pytree.tree_leaves(tensors)
    return [leaf.untyped_storage() for leaf in leaves if isinstance(leaf, Tensor)]


class _Held(TorchDispatchMode):
    """Counts the bytes of storages from their first appearance until they are dropped."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self._known: set[int] = set()

    def ignore(self, tensors: object) -> None:
        self._known |= {_address(storage) for storage in _storages(tensors)}

    def __torch_dispatch__(
        self, func: Any, types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for storage in _storages(results):
            self._hold(storage)
        return results

    def _hold(self, storage: torch.UntypedStorage) -> None:
        address, size = _address(storage), storage.nbytes()
        if address in self._known:
            return
        self._known.add(address)
        self._now += size
        self.most = max(self.most, self._now)
        weakref.finalize(storage, self._drop, address, size)

    def _drop(self, address: int, size: int) -> None:
        self._known.discard(address)
        self._now -= size
