"""Loading a dataset, with its progress."""

import os
from contextlib import ExitStack
from pathlib import Path

from idc.data.split import RealData
from idc.kinds import Dataset
from idc_cli.progress import Display, Track


def load(dataset: Dataset, root: Path, *, download: bool, display: Display) -> RealData:
    """Both splits; progress is shown only if images have to be read one by one, or are downloaded."""
    if not display.live:
        # The bars of downloads are torchvision's, drawn by tqdm; it reads this when it is imported.
        os.environ.setdefault("TQDM_DISABLE", "1")
    with ExitStack() as shown:
        tracks: list[Track] = []

        def progress(share: float) -> None:
            if not tracks:
                tracks.append(shown.enter_context(display.track(f"read {dataset.type}")))
            tracks[0].update(share)

        return dataset.load(root, download=download, progress=progress)
