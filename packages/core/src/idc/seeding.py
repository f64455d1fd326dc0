"""Named random streams: a seed and an address give a generator; global state is not used.

An address says what a draw is for and when it happens (``("match", iteration, step, class)``), so a draw does
not depend on earlier draws. That makes runs resumable and independent of class order.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Generator

Address = tuple[str | int, ...]


@dataclass(frozen=True)
class Streams:
    """Generators by address, all derived from one seed."""

    seed: int
    address: Address = ()

    def child(self, *address: str | int) -> "Streams":
        """The streams below an address, such as those of one stage."""
        return Streams(self.seed, (*self.address, *address))

    def generator(self, *address: str | int) -> Generator:
        """A new CPU generator, determined by the seed and the address."""
        return Generator().manual_seed(self._derive(address))

    @contextmanager
    def seeded(self, *address: str | int, device: torch.device | None = None) -> Iterator[None]:
        """Seed torch's global generators within the block and restore them after.

        For code that only knows the global generators, such as the initial weights of ``torch.nn`` layers.

        Args:
            address: of the draws.
            device: if a GPU, its generator is seeded as well as the CPU's.
        """
        seed = self._derive(address)
        gpus = [] if device is None or device.type != "cuda" else [device]
        # torch.manual_seed would seed every GPU, but only this one is restored.
        with torch.random.fork_rng(devices=gpus):
            torch.default_generator.manual_seed(seed)
            for gpu in gpus:
                index = torch.cuda.current_device() if gpu.index is None else gpu.index
                torch.cuda.default_generators[index].manual_seed(seed)
            yield

    def _derive(self, address: Address) -> int:
        # Python's own hash differs from process to process.
        text = "/".join(str(part) for part in (self.seed, *self.address, *address))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) & (2**63 - 1)
