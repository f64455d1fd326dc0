"""``idc compare``."""

from pathlib import Path
from typing import Annotated

import typer

from idc_cli import completion
from idc_cli.app import Json


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Run folders.", autocompletion=completion.folders),
    ],
    html: Annotated[
        Path | None, typer.Option(metavar="OUT.html", help="Also write a page with plots.")
    ] = None,
    json: Json = False,
) -> None:
    """Print the scores of several runs as one table."""
    import sys
    from json import dumps

    from idc.errors import InputError
    from idc.experiment.report import Report
    from idc_cli.report.comparison import OVER_SEEDS, Comparison
    from idc_cli.report.seeds import over_seeds
    from idc_cli.run_folder.folder import PIPELINE, REPORT
    from idc_cli.terminal.tables import show_table, show_table_and_protocol

    reports: list[tuple[Path, Report]] = []
    for run in runs:
        if (run / PIPELINE).exists() and not (run / REPORT).exists():
            print(f"{run}: skipped: unfinished", file=sys.stderr)
        elif not (report := Report.load(run)).evaluations:
            print(f"{run}: skipped: without scores", file=sys.stderr)
        else:
            reports.append((run, report))
    if not reports:
        raise InputError("none of these runs is finished and scored; give the folder of one that is")
    comparison = Comparison(reports, over_seeds(reports))
    if html is not None:
        try:
            comparison.write(html)
        except OSError as error:
            raise InputError(f"--html: cannot write {html} ({error.strerror}); choose another file") from None
        print(f"wrote {html}", file=sys.stderr)
    if json:
        rows = [{"run": str(run), **report.model_dump(mode="json")} for run, report in reports]
        print(dumps(rows, indent=2))
        return
    show_table_and_protocol(comparison.columns(), list(comparison.rows()))
    if comparison.seeds:
        print()
        show_table(comparison.seed_columns(), comparison.seed_rows(), OVER_SEEDS)
