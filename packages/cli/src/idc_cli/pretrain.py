"""``idc pretrain``: the networks that a pipeline's condensation starts from."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from idc import device as devices
from idc.execution import Execution
from idc.overrides import parse_assignments
from idc.pipeline import Pipeline
from idc.seeding import Streams
from idc_cli.data import load
from idc_cli.progress import Track


def pretrain(
    path: Path, root: Path, device: str, assignments: Sequence[str], *, download: bool, quiet: bool
) -> None:
    """Train and keep them; those that are there already are not trained again."""
    pipeline = Pipeline.load(path, parse_assignments(assignments))
    data = load(pipeline.dataset, root, download=download, quiet=quiet).to(devices.choose(device))
    with Track(Console(stderr=True), "pretrain", 1, quiet=quiet) as track:
        streams = Streams(pipeline.seed).child("pretrain")
        with Execution.of(pipeline).active():
            outcome = pipeline.networks.pretrain(pipeline.model, data.train, streams, track.update)
    print(outcome)
