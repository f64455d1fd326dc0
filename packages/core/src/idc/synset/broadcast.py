"""The first process's synset, in all processes."""

import torch

from idc.kinds import Decoder
from idc.runtime.processes import Processes
from idc.synset.header import Header
from idc.synset.synset import Synset


def broadcast(synset: Synset | None, processes: Processes) -> Synset | None:
    """The first process's synset, in all processes; None if it has none.

    Args:
        synset: those of the other processes are ignored.
        processes: each of which calls this.
    """
    own = synset if processes.first else None
    codes, text = processes.broadcast(
        own.codes if own is not None else {},
        0,
        torch.device("cpu"),
        own and own.header.metadata()[Header.key],
    )
    if own is not None or text is None:
        return own
    header = Header.model_validate_json(text)
    return Synset(header, Decoder.model_validate(header.pipeline["decoder"]), codes)
