"""Load a dataset, with its progress."""

import os
from contextlib import ExitStack
from pathlib import Path

from idc.data.split import RealData
from idc.kinds import Dataset
from idc.runtime.processes import Processes
from idc_cli.terminal.progress import Display, Track


def load(
    dataset: Dataset, root: Path, *, download: bool, display: Display, processes: Processes = Processes()
) -> RealData:
    """Load both splits; progress is shown only if images have to be read one by one, or are downloaded.

    Args:
        dataset: the stage.
        root: folder with the dataset's files.
        download: whether a public dataset may be downloaded.
        display: for the progress.
        processes: of the command. One of each machine reads and caches the images, which the others then map.

    Raises:
        InputError: the files are missing or cannot be read.
    """
    if not display.live:
        # torchvision shows downloads with tqdm, which reads this when it is imported.
        os.environ.setdefault("TQDM_DISABLE", "1")
    if processes.rank_on_machine:
        processes.meet()
    with ExitStack() as shown:
        tracks: list[Track] = []

        def progress(fraction: float) -> None:
            processes.beat()
            if not tracks:
                tracks.append(shown.enter_context(display.track(f"read {dataset.type}")))
            tracks[0].update(fraction)

        data = dataset.load(root, download=download, progress=progress)
    if not processes.rank_on_machine:
        processes.meet()
    return data
