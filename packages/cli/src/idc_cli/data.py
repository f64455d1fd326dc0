"""Loading a dataset with a progress bar."""

from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from idc.data import RealData
from idc.kinds import Dataset
from idc_cli.progress import Track


def load(dataset: Dataset, root: Path, *, download: bool, quiet: bool) -> RealData:
    """Both splits; the bar appears only if images have to be read one by one."""
    with ExitStack() as shown:
        tracks: list[Track] = []

        def progress(share: float) -> None:
            if not tracks:
                track = Track(Console(stderr=True), f"read {dataset.type}", 1, quiet=quiet)
                tracks.append(shown.enter_context(track))
            tracks[0].update(share)

        return dataset.load(root, download=download, progress=progress)
