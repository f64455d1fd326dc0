"""Training the pools that tests load."""

from idc.condensation.pretraining import Declared, Pretraining
from idc.data.split import Split
from idc.kinds import Pretrained
from idc.testing import ToyModel, toy_split


def pretrained(*pools: Pretrained, real: Split | None = None) -> list[str]:
    """What is said after training what is missing, for `ToyModel` and a toy split.

    Args:
        pools: of the table ``networks``.
        real: another training split.
    """
    images = real or toy_split()
    declared = tuple(Declared("networks", pool, images) for pool in pools)
    return Pretraining(declared, ToyModel()).train(lambda fraction: None)
