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
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"device: {name!r} cannot be used here ({reason}); choose auto, cpu or cuda"
        ) from None
    return device
