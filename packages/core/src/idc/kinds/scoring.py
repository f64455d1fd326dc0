"""What an evaluator is given."""

from typing import Any

from idc.data.split import RealData, Split
from idc.kinds.evaluator import Need
from idc.shapes import Codes


class EvaluatorInputs:
    """The decoded images, and of the rest what an evaluator declares in `Evaluator.needs`.

    Using what is not declared raises a TypeError, so that a forgotten declaration shows in the evaluator's
    first test, and not where the data were left on another device.

    Args:
        synthetic: decoded training images with their labels, on the device to compute on.
        matched_per_class: training images of a class that the codes decode to while matching.
        real: both real splits; of the declared ones, batches are on the device to compute on.
        codes: the stored tensors, on the CPU.
        needs: what the evaluator declares.
    """

    def __init__(
        self,
        synthetic: Split,
        matched_per_class: int,
        real: RealData,
        codes: Codes,
        needs: frozenset[Need],
    ) -> None:
        self.synthetic = synthetic
        self.matched_per_class = matched_per_class
        self._everything: dict[Need, Any] = {"test": real.test, "train": real.train, "codes": codes}
        self._needs = needs

    @property
    def test(self) -> Split:
        """The real test split."""
        return self._declared("test")

    @property
    def train(self) -> Split:
        """The real training split."""
        return self._declared("train")

    @property
    def codes(self) -> Codes:
        """The stored tensors, on the CPU."""
        return self._declared("codes")

    def _declared(self, name: Need) -> Any:
        if name not in self._needs:
            raise TypeError(f"the evaluator uses {name!r} and does not declare it; add it to `needs`")
        return self._everything[name]
