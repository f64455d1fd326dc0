"""Where a run computes: a flag of the machine, never part of the experiment."""

import torch

from idc.errors import InputError


def choose(name: str = "auto") -> torch.device:
    """The device that a name means.

    Args:
        name: ``auto`` (a CUDA GPU if there is one, else the CPU) or what ``torch.device`` takes.

    Raises:
        InputError: the name means nothing to torch, or such a device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0][:100].rstrip(" ,")
        others = "auto, cpu or cuda" if torch.cuda.is_available() else "auto or cpu"
        raise InputError(f"device: {name!r} cannot be used here ({reason}); choose {others}") from None
    return device
