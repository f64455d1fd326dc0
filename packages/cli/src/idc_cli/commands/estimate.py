"""``idc estimate``."""

from pathlib import Path

from idc_cli.app import Data, Device, Download, Json, PipelineFile, ProcessCount, Quiet, Set


def estimate(
    pipeline: PipelineFile,
    data: Data = Path("data"),
    download: Download = False,
    device: Device = "auto",
    assignments: Set = None,
    processes: ProcessCount = "1",
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Print what a run would store and how long it would take.

    The time is estimated from two inner steps, which are not kept. Processes are not started: those steps are
    made here, with the threads that each of them would have.
    """
    from idc.config.overrides import parse_assignments
    from idc.config.pipeline import Pipeline
    from idc.runtime.place import place
    from idc_cli.launch import counted
    from idc_cli.runner.estimate import show_estimate
    from idc_cli.terminal.progress import Display

    count = counted(processes, device)
    if place().rank:
        # The first process says it.
        return
    plan = Pipeline.load(pipeline, parse_assignments(assignments or []))
    display = Display(quiet=quiet, json=json)
    show_estimate(plan, data, device, download=download, trial=True, processes=count, display=display)
