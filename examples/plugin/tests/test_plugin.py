from idc.testing import check_decoder, check_objective
from idc_example_plugin.flip import Flip
from idc_example_plugin.logit import Logit


def test_flip() -> None:
    check_decoder(Flip())


def test_logit() -> None:
    check_objective(Logit())
