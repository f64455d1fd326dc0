"""The kind of stage that loads real data."""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from idc.kinds import registry
from idc.kinds.stage import Stage

if TYPE_CHECKING:
    from idc.data.audio import Sounds
    from idc.data.examples import Example, RawDataset
    from idc.data.split import RealData
    from idc.data.subset import Wanted
    from idc.shapes import Images

CHOICE = {"classes", "class_order", "limit", "test_fraction", "subset_seed", "mean", "std"}
"""Fields that do not affect how an image is read, so that changing them keeps the cached images."""


class Dataset(Stage):
    """Real data: a training split to condense and a test split to score on.

    A subclass lists the images (`find`). Selecting among them, reading them in parallel, caching what was
    read and computing their statistics are the same for all.
    """

    group: ClassVar[str] = "idc.datasets"

    classes: tuple[str, ...] | None = None
    """Names of the classes to use, in the order of their labels; all by default."""
    class_order: Annotated[int, Field(ge=0, lt=2**32)] | None = None
    """Seed of a random order of the classes, for continual learning: NumPy's
    ``RandomState(seed).permutation``. IDC's public code has that of seed 0 for CIFAR-100, sorted within each
    step. By default the classes stay in order."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of training images per class, drawn by `subset_seed`, in their original order; all by
    default."""
    test_fraction: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Fraction of each class's training images held out for testing, drawn by `subset_seed`; replaces the
    dataset's own test split, if it has one."""
    subset_seed: int = 0
    """Seed of `limit` and `test_fraction`; not the pipeline's seed, so that all seeds are tested on the same
    images."""
    mean: tuple[float, ...] | None = None
    """Mean of each channel, for normalisation; computed from the training images by default."""
    std: tuple[float, ...] | None = None
    """Standard deviation of each channel, for normalisation; computed by default."""
    on_error: Literal["fail", "skip"] = "fail"
    """What to do with images that cannot be read: refuse the dataset, or skip them with a warning."""

    @abstractmethod
    def find(self, root: Path, *, download: bool) -> "RawDataset":
        """List the images, reading as little as possible.

        Args:
            root: the folder that ``--data`` names; paths in the table are relative to it.
            download: whether missing public files may be downloaded.

        Returns:
            All images and their labels; at least those of `wanted_classes`.

        Raises:
            InputError: the files are missing or unusable; the message says what was expected where.
        """

    def shaped(self, image: "Example") -> "Example":
        """Convert an image after reading, before caching; unchanged by default. Called from several threads.

        Args:
            image: (channels, height, width), bytes or floats, as it was read.
        """
        return image

    def wanted_classes(self) -> tuple[str, ...] | None:
        """Names of the classes to use, in the order of their labels; None for all."""
        return self.classes

    def load(
        self,
        root: Path,
        *,
        download: bool = False,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> "RealData":
        """The data, ready to be condensed.

        Args:
            root: the folder that ``--data`` names; paths in the table are relative to it.
            download: whether missing public files may be downloaded.
            progress: called now and then with the fraction of the images read, 0 to 1.

        Returns:
            Both splits, on the CPU; large ones are memory-mapped from a file in the cache folder.

        Raises:
            InputError: the files are missing or unusable; the message says what was expected where.
        """
        # Not at the top: commands that start without torch import the kinds.
        from idc.data.prepare import prepare

        return prepare(self.find(root, download=download), self._wanted(), progress)

    def _wanted(self) -> "Wanted":
        from idc.data.subset import Wanted

        return Wanted(
            type=str(self.type),
            classes=self.wanted_classes(),
            class_order=self.class_order,
            limit=self.limit,
            test_fraction=self.test_fraction,
            subset_seed=self.subset_seed,
            mean=self.mean,
            std=self.std,
            on_error=self.on_error,
            shaped=self.shaped,
            read_by=self._read_by,
        )

    def _read_by(self) -> tuple[str, ...]:
        # Including the code, because a dataset under development changes without a new version.
        return (
            self.model_dump_json(exclude=CHOICE),
            str(registry.distribution(self.group, str(self.type))),
            inspect.getsource(inspect.getmodule(type(self)) or type(self)),
        )

    def sounds(self, images: "Images") -> "Sounds | None":
        """The sound of images of this dataset; None if they are not sounds.

        Args:
            images: (n, channels, height, width) in the value range.
        """
        return None
