"""``idc pretrain``."""

from pathlib import Path

from idc_cli.app import Data, Device, Download, PipelineFile, Quiet, Set


def pretrain(
    pipeline: PipelineFile,
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    quiet: Quiet = False,
) -> None:
    """Train the networks that a pipeline's condensation starts from.

    Only for pipelines with a pool of networks. A run does it by itself; networks that exist already are not
    trained again.
    """
    from idc.config.overrides import parse_assignments
    from idc.config.pipeline import Pipeline
    from idc.runtime import device as devices
    from idc.runtime.execution import Execution
    from idc_cli.runner.load import load
    from idc_cli.terminal.progress import Display

    plan, display = Pipeline.load(pipeline, parse_assignments(assignments or [])), Display(quiet=quiet)
    chosen = devices.choose(device)
    real = load(plan.dataset, data, download=download, display=display).to(chosen)
    with display.track("pretrain") as track, Execution.on(chosen, plan.precision, plan.compile).active():
        needed = [plan.labels] if plan.labels.soft else []
        # Networks that need none say so, unless the labels need some.
        if not needed or plan.networks.untrained_images(plan.model, real.train):
            needed = [plan.networks, *needed]
        outcomes = [stage.pretrain(plan.model, real.train, track.update) for stage in needed]
    print("\n".join(outcomes))
