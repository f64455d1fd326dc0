"""``idc pretrain``."""

from pathlib import Path

from idc_cli.app import Data, Device, Download, PipelineFile, ProcessCount, Quiet, Set, Timeout


def pretrain(
    pipeline: PipelineFile,
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    processes: ProcessCount = "1",
    timeout: Timeout = 30.0,
    quiet: Quiet = False,
) -> None:
    """Train the networks that a pipeline's condensation starts from.

    Only for pipelines with a pool of networks. A run does it by itself; networks that exist already are not
    trained again.
    """
    from idc_cli.launch import start

    start(processes, timeout, device)

    from idc.condensation.pretraining import Pretraining
    from idc.config.overrides import parse_assignments
    from idc.config.pipeline import Pipeline
    from idc.errors import InputError
    from idc.runtime import device as devices
    from idc.runtime.execution import Execution
    from idc_cli.runner.load import load
    from idc_cli.runner.together import refuse_differences, together
    from idc_cli.terminal.progress import Display

    with together(timeout) as joined:
        display = Display(quiet=quiet, silent=not joined.first)
        plan = Pipeline.load(pipeline, parse_assignments(assignments or []))
        if not (plan.networks.pools() or plan.labels.pools()):
            raise InputError(
                f"networks: there is nothing to pretrain, because {plan.networks.type!r} has no pool; add "
                "pool = {epochs = [2]} to [networks] of type 'real', or [labels] with type = 'teacher'"
            )
        chosen = devices.choose(device, joined.rank_on_machine)
        real = load(plan.dataset, data, download=download, display=display, processes=joined).to(chosen)
        refuse_differences(joined, plan, real)
        execution = Execution.on(chosen, plan.precision, plan.compile)
        with display.track("pretrain") as track, execution.active():
            said = Pretraining.of(plan, real.train).train(track.update, joined)
        if joined.first:
            print("\n".join(said))
