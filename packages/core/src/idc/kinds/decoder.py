"""The kind of stage that makes training images from stored codes."""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.seeding import Streams
    from idc.shapes import Batch, ClassNumbers, Codes, Scalar, StoredImages
    from idc.spec import ImageSpec


class Decoder(Stage):
    """The parameterization *f*: what is stored for a class becomes its training images (IDC, section 3).

    What is stored are named tensors, `Codes`. Those not named in `shared` have a leading class axis, and
    every class has its own slice; shared ones belong to all classes. `decode` sees one class: its slices,
    without the class axis, and the shared tensors. Together they are the budget: stored numbers.

    For codes that are images, subclass `PixelDecoder` and write `decode` alone.
    """

    group: ClassVar[str] = "idc.decoders"

    shared: ClassVar[frozenset[str]] = frozenset()
    """Names of stored tensors without a class axis."""
    fixed: ClassVar[frozenset[str]] = frozenset()
    """Names of stored tensors, of any dtype, that `encode` determines and no optimizer changes (the positions
    of a mask). They count in the budget."""
    projects_each_step: ClassVar[bool] = False
    """Whether `project` is called after every update of the codes too."""

    @abstractmethod
    def capacity(self, images_per_class: int, spec: "ImageSpec") -> int:
        """How many real images of a class `encode` can pack; at least 1.

        Raises:
            InputError: the decoder does not fit such images (a factor larger than the image, say).
        """

    def unpacked(self, images_per_class: int, spec: "ImageSpec") -> int:
        """How many images of a class `encode` gets from initializers that do not pack (``random``, ``noise``,
        coresets): ``images_per_class`` by default, and `capacity` for decoders that always hold that many.
        """
        return images_per_class

    @abstractmethod
    def encode(
        self, images: "StoredImages", images_per_class: int, spec: "ImageSpec", streams: "Streams"
    ) -> "Codes":
        """Codes to start from.

        Args:
            images: (classes, n, channels, height, width) in the dataset's value range, with n either
                `unpacked` (store each whole) or `capacity` (pack them, so that decoding gives back an
                approximation of each).
            images_per_class: storage per class, in images.
            spec: of the images.
            streams: where random draws come from, for decoders that are fitted.

        Returns:
            The stored tensors.
        """

    @abstractmethod
    def decode(self, codes: "Codes", labels: "ClassNumbers", spec: "ImageSpec") -> "Batch":
        """Training images of one class: a pure function of the codes, twice differentiable unless `fixed`.

        Args:
            codes: the class's slices and the shared tensors.
            labels: (images_per_class,) the class number, once for each stored image.
            spec: of the images.

        Returns:
            The images (n, channels, height, width) in the dataset's value range, and their labels: class
            numbers (n,), or soft labels (n, classes), probabilities that may be a function of the codes too.
        """

    def soft_labels(self) -> bool:
        """Whether `decode` returns soft labels; not by default."""
        return False

    @abstractmethod
    def project(self, codes: "Codes", spec: "ImageSpec") -> "Codes":
        """The nearest codes whose images keep to the value range; called once per outer iteration and on
        saving. Codes that are not pixels may be returned unchanged: images are clamped on saving anyway.
        """

    def penalty(self, codes: "Codes") -> "Scalar | None":
        """A term that is added to the distance of a class in every match; None, the default, for none.

        Args:
            codes: the class's slices and the shared tensors.
        """
        return None

    def for_evaluation(self) -> "Decoder":
        """The decoder of the finished codes; the same by default."""
        return self

    def for_storage(self, codes: "Codes") -> "Codes":
        """The finished codes as a synset stores them, such as in 16 bits; unchanged by default.

        Names and shapes stay the same, stored codes are stored unchanged, and `decode` takes both.

        Args:
            codes: of all classes, projected.
        """
        return codes

    def unfitted(self) -> "Decoder":
        """The decoder without the fit of the initial codes, for estimates; the same by default.

        Its `encode` makes codes of the same names, shapes and dtypes, of any values.
        """
        return self


class PixelDecoder(Decoder):
    """A decoder whose one stored tensor, ``images``, holds ``images_per_class`` images of each class.

    Subclasses write `decode` alone.
    """

    def capacity(self, images_per_class: int, spec: "ImageSpec") -> int:
        """One real image for each stored one."""
        return images_per_class

    def encode(
        self, images: "StoredImages", images_per_class: int, spec: "ImageSpec", streams: "Streams"
    ) -> "Codes":
        """The images unchanged."""
        return {"images": images}

    def project(self, codes: "Codes", spec: "ImageSpec") -> "Codes":
        """Pixels clamped to the value range."""
        return {**codes, "images": codes["images"].clamp(spec.low, spec.high)}
