"""The kinds of stage that load, choose, store and change images."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from idc.stage import Stage

if TYPE_CHECKING:
    from torch import Generator

    from idc.data import RealData, Split
    from idc.examples import Example, Found
    from idc.kinds.learning import Model
    from idc.seeding import Streams
    from idc.shapes import Batch, Codes, Draw, Images, Indices, Labels, StoredImages
    from idc.sound import Sounds
    from idc.spec import ImageSpec


class Dataset(Stage):
    """Real data: a training split to condense and a test split to score on.

    A subclass finds the images (`find`); choosing among them, reading them in parallel, keeping what was read
    and computing their statistics are the same for all.
    """

    group: ClassVar[str] = "idc.datasets"

    classes: tuple[str, ...] | None = None
    """Names of the classes wanted, in the order of their labels; all by default."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Training images of a class at most, drawn by `subset_seed` and in their order; all by default."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of each class's training images that is set apart for testing, drawn by `subset_seed`; in place
    of the dataset's own test split, if it has one."""
    subset_seed: int = 0
    """For `limit` and `test_fraction`; not the pipeline's seed, so that all seeds are tested on the same."""
    mean: tuple[float, ...] | None = None
    """For normalisation, one for each channel; computed from the training images by default."""
    std: tuple[float, ...] | None = None
    """Standard deviation, likewise."""
    on_error: Literal["fail", "skip"] = "fail"
    """What to do with images that cannot be read: refuse the dataset, or leave them out and say so."""

    @abstractmethod
    def find(self, root: Path, *, download: bool) -> "Found":
        """Look up what there is, without reading more than must be.

        Args:
            root: the folder that ``--data`` names; paths in the table are relative to it.
            download: whether files that are not there may be fetched, where they are public.

        Returns:
            All images and their labels; at least those of `wanted_classes`.

        Raises:
            InputError: the files are absent or unusable; the message says what was expected where.
        """

    def shaped(self, image: "Example") -> "Example":
        """An image as it is to be kept: itself by default. Called from several threads.

        Args:
            image: (channels, height, width), bytes or floats, as it was read.
        """
        return image

    def wanted_classes(self) -> tuple[str, ...] | None:
        """Names of the classes wanted, in the order of their labels; None for all."""
        return self.classes

    def load(
        self,
        root: Path,
        *,
        download: bool = False,
        progress: Callable[[float], None] = lambda share: None,
    ) -> "RealData":
        """The data, ready to be condensed.

        Args:
            root: the folder that ``--data`` names; paths in the table are relative to it.
            download: whether files that are not there may be fetched, where they are public.
            progress: called now and then with the share of the images read, 0 to 1.

        Returns:
            Both splits, on the CPU; large ones are mapped from a file in the cache folder.

        Raises:
            InputError: the files are absent or unusable; the message says what was expected where.
        """
        from idc.preparing import prepare

        return prepare(self.find(root, download=download), self, progress)

    def sounds(self, images: "Images") -> "Sounds | None":
        """What images of this dataset sound like; None where they are no sounds.

        Args:
            images: (n, channels, height, width) in the value range.
        """
        return None


class Decoder(Stage):
    """The parameterization *f*: what is stored for a class becomes its training images (IDC, section 3).

    What is stored are named tensors, `Codes`. Those not named in `shared` have a leading class axis, and
    every class has its own slice; shared ones belong to all classes. `decode` sees one class: its slices,
    without the class axis, and the shared tensors. Together they are the budget: stored numbers.

    For codes that are images, subclass `idc.decoders.pixels.PixelDecoder` and write `decode` alone.
    """

    group: ClassVar[str] = "idc.decoders"

    shared: ClassVar[frozenset[str]] = frozenset()
    """Names of stored tensors without a class axis."""

    @abstractmethod
    def capacity(self, images_per_class: int, spec: "ImageSpec") -> int:
        """How many real images of a class `encode` can pack: a multiple of ``images_per_class``.

        Raises:
            InputError: the decoder does not fit such images (a factor larger than the image, say).
        """

    @abstractmethod
    def encode(self, images: "StoredImages", images_per_class: int) -> "Codes":
        """Codes to start from.

        Args:
            images: (classes, n, channels, height, width) in the dataset's value range, with n either
                ``images_per_class`` (store each whole) or `capacity` (pack them, so that decoding gives
                back a likeness of each).
            images_per_class: the storage of a class, counted in images.

        Returns:
            The stored tensors.
        """

    @abstractmethod
    def decode(self, codes: "Codes", labels: "Labels") -> "Batch":
        """Training images of one class; a pure, twice differentiable function of the codes.

        Args:
            codes: the class's slices and the shared tensors.
            labels: (images_per_class,) the label of each stored image.

        Returns:
            The images (n, channels, height, width) in the dataset's value range and their labels (n,).
        """

    @abstractmethod
    def project(self, codes: "Codes", spec: "ImageSpec") -> "Codes":
        """The nearest codes whose images keep to the value range; called once per outer iteration and on
        saving. Codes that are not pixels may be returned as they are: images are clamped on saving anyway.
        """

    def for_evaluation(self) -> "Decoder":
        """The decoder that makes training images of the finished codes; the same by default."""
        return self


class Initializer(Stage):
    """The codes a condensation starts from; with ``iterations = 0`` these are the papers' baselines."""

    group: ClassVar[str] = "idc.initializers"

    @abstractmethod
    def codes(
        self, decoder: Decoder, images_per_class: int, real: "Split", model: "Model", streams: "Streams"
    ) -> "Codes":
        """First codes of every class.

        Args:
            decoder: packs images into codes.
            images_per_class: the storage of a class, counted in images.
            real: the training split.
            model: the pipeline's architecture, for those that choose by what a network sees.
            streams: where random draws come from.

        Returns:
            What `Decoder.encode` made of the images chosen.

        Raises:
            InputError: a class has too few images.
        """


class Augmentation(Stage):
    """A differentiable augmentation, split into drawing parameters and applying them.

    Matching draws once and applies the draw to real and synthetic images alike (siamese); training draws
    for each image.
    """

    group: ClassVar[str] = "idc.augmentations"

    space: ClassVar[Literal["unit", "normalised"]] = "normalised"
    """Whether `apply` expects images in the dataset's value range or normalised by mean and std."""

    @abstractmethod
    def draw(self, count: int, shape: tuple[int, int, int], generator: "Generator") -> "Draw":
        """Random parameters.

        Args:
            count: 1 for a siamese draw, else the number of images.
            shape: (channels, height, width).
            generator: the only source of randomness.

        Returns:
            Tensors whose first axis is ``count``, on the CPU. Their names, shapes and types depend on the
            stage's fields alone; an operation that is drawn or not is one that a mask hides.
        """

    @abstractmethod
    def apply(self, images: "Images", draw: "Draw") -> "Images":
        """Transform images; a pure, twice differentiable function of them.

        Args:
            images: (n, channels, height, width) in `space`.
            draw: what `draw` returned, for n images or for one, which then holds for all.

        Returns:
            Images of the same shape.
        """


class Sampler(Stage):
    """Which images of a class an inner step sees. Stateless: a step's choice depends on its number only."""

    group: ClassVar[str] = "idc.samplers"

    @abstractmethod
    def real(self, members: "Indices", step: int, streams: "Streams") -> "Indices":
        """Real images for one class.

        Args:
            members: positions of the class's images in the training split.
            step: inner steps taken since the beginning of the run.
            streams: the class's own streams.

        Returns:
            The chosen members.
        """

    @abstractmethod
    def synthetic(self, count: int, step: int, streams: "Streams") -> "Indices | None":
        """Which of a class's ``count`` decoded images are matched in this step.

        Returns:
            Positions in 0…count-1, on the CPU; None for all of them.
        """
