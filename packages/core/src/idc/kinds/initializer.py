"""The kind of stage that makes the first codes."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.decoder import Decoder
from idc.kinds.model import Model
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.split import Split
    from idc.seeding import Streams
    from idc.shapes import Codes


class Initializer(Stage):
    """The codes a condensation starts from; with ``iterations = 0`` these are the papers' baselines."""

    group: ClassVar[str] = "idc.initializers"

    @abstractmethod
    def codes(
        self, decoder: Decoder, images_per_class: int, real: "Split", model: Model, streams: "Streams"
    ) -> "Codes":
        """Initial codes of every class.

        Args:
            decoder: packs images into codes.
            images_per_class: storage per class, in images.
            real: the training split.
            model: the pipeline's architecture, for initializers that select images by a network's features.
            streams: where random draws come from.

        Returns:
            What `Decoder.encode` made of the selected images.

        Raises:
            InputError: a class has too few images.
        """
