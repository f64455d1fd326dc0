"""``report.html``: a whole run on one page, which loads nothing and runs no script."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from idc.errors import InputError
from idc.experiment.report import Iteration, Report
from idc.experiment.score_table import budget, metric
from idc.files.atomic import write_text
from idc.kinds.evaluation import Evaluation
from idc.synset import header as artifact
from idc.synset.synset import Synset
from idc_cli.report.along import along
from idc_cli.report.gallery import gallery, shown, wide
from idc_cli.report.plots import Curve, Level, plot
from idc_cli.report.provenance import contents, provenance
from idc_cli.report.template import Plot, render
from idc_cli.run_folder.folder import PIPELINE, SYNSET
from idc_cli.run_folder.log import Log
from idc_cli.terminal.shell import shell_line
from idc_cli.terminal.text import duration


def write_page(folder: Path, path: Path) -> None:
    """Write the page of a finished run; the file is whole or not there.

    Args:
        folder: of the run.
        path: of the page.

    Raises:
        InputError: the folder holds no finished run.
        OSError: the page cannot be written.
    """
    found, synset = Report.load(folder), Synset.load(folder / SYNSET)
    try:
        pipeline = (folder / PIPELINE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder / PIPELINE}: cannot be read ({error}); it belongs to the run") from None
    described = artifact.read(folder / SYNSET)
    scores = [each for each in found.evaluations if each.listed]
    text = render(
        "report.html.j2",
        report=found,
        images=len(synset),
        condensed_in=duration(found.seconds["condense"]) if found.seconds.get("condense") else "",
        pretrained_in=duration(found.seconds["pretrain"]) if found.seconds.get("pretrain") else "",
        metric=metric(scores),
        metrics=len({each.metric for each in scores}),
        rows=_rows(found, scores),
        curves=along(found.evaluations),
        protocols=list(dict.fromkeys(each.recipe for each in found.evaluations)),
        sources=[f"{each.synset}, {each.source}" for each in found.published],
        classes=gallery(synset),
        pictured=shown(synset),
        wide=wide(synset),
        plots=[*_curves(Log(folder).iterations()), *_snapshot_scores(found)],
        folder=repr(str(_named(folder))),
        reproduce=_reproduce(folder, found),
        facts=[*contents(described), *provenance(described)],
        pipeline=pipeline,
    )
    write_text(path, text)


def _named(folder: Path) -> Path:
    """The folder with a name of its own, also where it is given as ``.``."""
    return folder if folder.name else folder.resolve()


def _rows(found: Report, scores: Sequence[Evaluation]) -> list[dict[str, Any]]:
    # Each beside one score only: it was published for one network.
    published = {each.synset: f"{each.accuracy:.1f}" for each in found.published}
    rows: list[dict[str, Any]] = []
    for each in scores:
        comparable = each.metric == "accuracy"
        rows.append(
            {
                "ours": each.synset == found.method,
                "synset": each.synset,
                "budget": budget(each),
                "model": each.model,
                "metric": metric([each]),
                "score": each.summary(),
                "n": each.n,
                "published": published.pop(each.synset, "") if comparable else "",
                "protocol": each.recipe,
            }
        )
    empty = dict.fromkeys(("budget", "model", "metric", "score", "n", "protocol"), "") | {"ours": False}
    unmatched = [{**empty, "synset": name, "published": accuracy} for name, accuracy in published.items()]
    return rows + unmatched if rows else []


def _curves(iterations: Sequence[Iteration]) -> list[Plot]:
    if len(iterations) < 2:
        return []
    x = [each.iteration for each in iterations]
    loss = Curve("loss", x, [each.loss for each in iterations])
    plots = [
        Plot(
            plot("Loss", "outer iteration", "loss", [loss], log_y=_spread(loss.y), whole_x=True),
            "Distance between real and synthetic images as the networks see them, mean over the classes and "
            "the inner steps of an outer iteration.",
        )
    ]
    norms: list[Curve] = []
    for side, (name, colour) in enumerate((("real", 1), ("synthetic", 0))):
        last = [(each.iteration, each.last_norms[side]) for each in iterations if each.last_norms]
        first = [(each.iteration, each.first_norms[side]) for each in iterations if each.first_norms]
        norms.append(Curve(f"{name}, last inner step", *_columns(last), colour=colour))
        if first != last:
            norms.append(Curve(f"{name}, first", *_columns(first), colour=colour, dashed=True))
    norms = [curve for curve in norms if len(curve.x) > 1]
    if not norms:
        return plots
    y = [value for curve in norms for value in curve.y]
    drawn = plot("Gradient norms", "outer iteration", "L1 norm", norms, log_y=_spread(y), whole_x=True)
    caption = (
        "L1 norm of the network's gradient given real and given synthetic images, mean over the classes. "
        "Where the synthetic one vanishes within the inner steps, the network has overfitted the synthetic "
        "images and there is little left to match."
    )
    return [*plots, Plot(drawn, caption)]


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _snapshot_scores(found: Report) -> list[Plot]:
    """A plot for each metric of the snapshots' scores, with a curve for each model and recipe."""
    scores = [each for each in found.evaluations if each.listed]
    ours = [each for each in scores if each.synset == found.method]
    others = [each for each in scores if each.synset != found.method]
    snapshots = [each for each in found.snapshots if each.listed]
    plots: list[Plot] = []
    for name in dict.fromkeys(each.metric for each in snapshots):
        there = [each for each in snapshots if each.metric == name]
        keys = list(dict.fromkeys(each.key for each in there))
        curves: list[Curve] = []
        for number, key in enumerate(keys):
            points = [(each.iteration or 0, each) for each in there if each.key == key]
            points += [(found.iterations, each) for each in ours if each.key == key]
            scores = [each for _, each in points]
            label = found.method if len(keys) == 1 else key.model
            label += f", {key.recipe}" if len({key.recipe for key in keys}) > 1 else ""
            x, y = [iteration for iteration, _ in points], [each.mean for each in scores]
            curves.append(Curve(label, x, y, [each.sd or 0.0 for each in scores], number, points=True))
        compared = [each for each in others if [each.key._replace(synset=keys[0].synset)] == keys]
        levels = [Level(each.synset, each.mean, 1 + number) for number, each in enumerate(compared)]
        drawn = plot(f"Scores, {name}", "outer iteration", metric(there), curves, levels, whole_x=True)
        caption = "Networks trained on the synset as it was then; bars are ± the standard deviation."
        plots.append(Plot(drawn, caption))
    return plots


def _spread(values: Sequence[float]) -> bool:
    """Whether values are easier to read on a logarithmic axis."""
    return min(values) > 0 and max(values) > 20 * min(values)


def _reproduce(folder: Path, found: Report) -> str:
    folder = _named(folder)
    command = ["idc", "run", str(folder / PIPELINE), "--out", f"{folder}-again", "--device", found.device]
    if found.computed is None:
        return shell_line(command)
    command += ["--classes-at-once", str(found.computed.classes_at_once)]
    return f"OMP_NUM_THREADS={found.computed.threads} {shell_line(command)}"
