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
    if processes.count == 1:
        return synset
    text = processes.told(synset and synset.header.metadata()[Header.key])[0]
    if text is None:
        return None
    codes = synset.codes if synset and processes.first else {}
    codes = processes.broadcast(codes, 0, torch.device("cpu"))
    header = Header.model_validate_json(text)
    return Synset(header, Decoder.model_validate(header.pipeline["decoder"]), codes)
