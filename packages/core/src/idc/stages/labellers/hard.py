"""The labels that the decoder gives."""

from typing import ClassVar, Literal, final

from idc.kinds import Batch, Labeller, Logits, Model, Split


@final
class Hard(Labeller):
    """No labels beside the decoder's own, which are class numbers unless it stores soft ones."""

    soft: ClassVar[bool] = False

    type: Literal["hard"] = "hard"

    def logits(self, images: Batch, model: Model, real: Split) -> Logits:
        """Never called."""
        raise NotImplementedError("hard labels have no logits")
