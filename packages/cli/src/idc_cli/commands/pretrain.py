"""``idc pretrain``: the networks that a pipeline's condensation starts from."""

from collections.abc import Sequence
from pathlib import Path

from idc.config.overrides import parse_assignments
from idc.config.pipeline import Pipeline
from idc.runtime import device as devices
from idc.runtime.execution import Execution
from idc.seeding import Streams
from idc_cli.data import load
from idc_cli.progress import Display


def pretrain(
    path: Path, root: Path, device: str, assignments: Sequence[str], *, download: bool, display: Display
) -> None:
    """Train and keep them; those that are there already are not trained again."""
    pipeline = Pipeline.load(path, parse_assignments(assignments))
    chosen = devices.choose(device)
    data = load(pipeline.dataset, root, download=download, display=display).to(chosen)
    with display.track("pretrain") as track:
        streams = Streams(pipeline.seed).child("pretrain")
        with Execution.on(chosen, pipeline.precision, pipeline.compile).active():
            outcome = pipeline.networks.pretrain(pipeline.model, data.train, streams, track.update)
    print(outcome)
