"""Checks for plugin authors: does a stage fulfil the contract of its kind?

Each raises an AssertionError that names the problem. In a plugin's own tests:

    from idc.testing import check_decoder

    def test_decoder():
        check_decoder(MyDecoder())
"""

from idc.testing.assertions import check_stage
from idc.testing.data import (
    check_augmentation,
    check_dataset,
    check_decoder,
    check_initializer,
    check_sampler,
)
from idc.testing.learning import (
    check_evaluator,
    check_labeller,
    check_model,
    check_networks,
)
from idc.testing.matching import check_objective, check_optimizer
from idc.testing.toy import SPEC, ToyModel, toy_split, toy_synset

__all__ = [
    "SPEC",
    "ToyModel",
    "check_augmentation",
    "check_dataset",
    "check_decoder",
    "check_evaluator",
    "check_initializer",
    "check_labeller",
    "check_model",
    "check_networks",
    "check_objective",
    "check_optimizer",
    "check_sampler",
    "check_stage",
    "toy_split",
    "toy_synset",
]
