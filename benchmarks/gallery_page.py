"""The page of benchmarks/gallery.py: a table of all cards, and the cards."""

import json
import re
import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from gallery_cards import METHODS, TABLES, Card, pipeline, table
from methods import summary

from idc.stages import papers
from idc.table import Table

PAPERS = {
    "herding": papers.HERDING,
    "dc": papers.DC,
    "dsa": papers.DSA,
    "dm": papers.DM,
    "idc-i": papers.IDC,
    "idc": papers.IDC,
    "dream": papers.DREAM,
    "model-augmentation": papers.MODEL_AUGMENTATION,
    "idm": papers.IDM,
    "m3d": papers.M3D,
    "dsdm": papers.DSDM,
    "datadam": papers.DATADAM,
    "dance": papers.DANCE,
    "ncfm": papers.NCFM,
    "multiformation": papers.IDC,
    "mirror": papers.FYI,
    "fred": papers.FRED,
    "ddif": papers.DDIF,
    "gsdd": papers.GSDD,
}
"""By the names of the cards: the paper that a card is about, among those that its tables cite."""

TOP = """\
<!-- Written by `uv run python benchmarks/gallery.py` from benchmarks/results/gallery.jsonl and the tables in
benchmarks/gallery: change those, not this file. -->
# Gallery

Every method, and every decoder with one and the same method, on the same digits, with the same storage and
the same time: the decoded images, the tables of the pipeline file that make it what it is, its paper, its
score and its cost.

- **Data**: the embedded [digits](data.md), 16x16 pixels, with one stored image of each: 2,560 numbers, which
  decoders keep to as nearly as they can.
- **Network**: ConvNet-3 with 32 channels, both matched and scored.
- **Time**: {seconds:g} CPU seconds of condensing on one thread, whatever a step costs, initial codes and fits
  included. A pool of networks is apart: it is trained once, for all runs that use it.
- **Score**: accuracy on 360 test digits after the last epoch, in percent, mean ± standard deviation over (n)
  seeds. Each seed condenses anew, and trains one network on the result. Protocol: {protocol}.
- **Learning rates** of the codes: one for each decoder, the best of four for DANCE on Fashion-MNIST (`rates`
  in `benchmarks/methods.py`). None was tuned for a method or for these digits. Those of the papers are for
  far longer runs, so that every method takes steps of Adam here; only `fast` keeps its own rate, which is
  lower because its result is an average.

So this is what the methods do, and how far they come in seconds. It is no verdict on the papers, whose runs
are far longer and most of whose images are larger. [Which method](which.md) says what to choose, and
[what each part adds](methods.md) compares them on two other datasets.

Measured by `uv run python benchmarks/gallery.py`, beside other work, on {machine};
`benchmarks/results/gallery.jsonl` has the single runs. The tables below are files in `benchmarks/gallery/`,
over which `same.toml` there is laid, with what all share. GFLOP are those of matching and of training
networks between the steps, as `idc estimate` counts them, without selecting images and fitting codes.
"""

COLUMNS = {
    "accuracy, % (n)": "score",
    "CPU s": "seconds",
    "steps": "steps",
    "pool, CPU s": "pool_seconds",
    "numbers": "numbers",
}
"""Heading → what of a card's cost."""


WIDEST = 70
"""Characters of a list in one line, which the site shows without scrolling."""


def page(
    methods: Iterable[Card], decoders: Iterable[Card], lines: list[dict[str, Any]], seconds: float
) -> str:
    """The page as Markdown.

    Args:
        methods: cards of methods.
        decoders: cards of decoders.
        lines: of the runs and of the pools; cards without a line are left out.
        seconds: of condensing, that each run had.
    """
    ran = [line for line in lines if line["key"][0] != "pool"]
    groups = [
        [card for card in cards if any(line["key"][0] == card.run for line in ran)]
        for cards in (methods, decoders)
    ]
    protocol, machine = (
        "; ".join(dict.fromkeys(str(line[name]) for line in ran)) for name in ("protocol", "machine")
    )
    parts = [TOP.format(seconds=seconds, protocol=protocol, machine=machine)]
    for name, cards in zip(("method", "decoder"), groups, strict=True):
        rows = [(name, *COLUMNS), ("---",) * (1 + len(COLUMNS)), *(_row(card, lines) for card in cards)]
        parts.append("\n".join(f"| {' | '.join(row)} |" for row in rows))
    for heading, cards in zip(("## Methods", "## Decoders, each with DANCE"), groups, strict=True):
        parts.append(heading)
        parts += [_card(card, pipeline(card), lines) for card in cards]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _row(card: Card, lines: list[dict[str, Any]]) -> tuple[str, ...]:
    cost = _cost(card, lines)
    return f"[{card.title}](#{card.name})", *(cost.get(name, "–") for name in COLUMNS.values())


def _cost(card: Card, lines: list[dict[str, Any]]) -> dict[str, str]:
    """Score and cost of a card's runs, as text."""
    ran = [line for line in lines if line["key"][0] == card.run]

    def mean(name: str, lines: list[dict[str, Any]] = ran) -> str:
        return f"{statistics.fmean(line[name] for line in lines):,.0f}"

    found = {
        "score": f"{summary(line['accuracy'] for line in ran)} ({len(ran)})",
        "seconds": mean("cpu_seconds"),
        "steps": mean("steps"),
        "gigaflop": mean("gigaflop"),
        "numbers": mean("numbers"),
        "images": mean("images"),
    }
    pools = [line for line in lines if line["key"] == ["pool", ran[0]["pool"]]]
    if pools:
        found |= {"pool_seconds": mean("cpu_seconds", pools), "pool_gigaflop": mean("gigaflop", pools)}
    return found


def _card(card: Card, plan: Any, lines: list[dict[str, Any]]) -> str:
    cost = _cost(card, lines)
    alt = f"{card.title}: the digits 0 to 9 side by side, up to four decoded images of each"
    condensing = (
        f"{cost['seconds']} CPU seconds of condensing: {cost['steps']} steps, {cost['gigaflop']} GFLOP"
        if plan.iterations
        else f"{cost['seconds']} CPU seconds of selecting"
    )
    pool = (
        f"; pool: {cost['pool_seconds']} CPU seconds, {cost['pool_gigaflop']} GFLOP"
        if "pool_seconds" in cost
        else ""
    )
    title = f"`{card.title}`" if card.title == plan.decoder.type else card.title
    parts = [
        f"### {title}",
        described(card),
        f"![{alt}](gallery/{card.run}.png)",
        f"Accuracy **{cost['score']}**. {condensing}{pool}. {cost['numbers']} numbers, "
        f"{cost['images']} images.",
        *cited(card, plan),
        f"```toml\n{shown(card)}\n```",
    ]
    return "\n\n".join(parts)


def described(card: Card) -> str:
    """What a card's file says at its top."""
    lines = (TABLES / f"{card.name}.toml").read_text(encoding="utf-8").splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return "\n".join(line.removeprefix("# ") for line in lines[:first])


def cited(card: Card, plan: Any) -> list[str]:
    """The paper of a card, and of a method those that its tables use beside it; nothing without any."""
    parts = [getattr(plan, name) for name in card.shown if isinstance(getattr(plan, name), Table)]
    parts += plan.augment if "augment" in card.shown else ()
    own = PAPERS.get(card.name)
    # A decoder's card is about nothing else, and a baseline's not about what its codes are matched by.
    all_of = [entry for part in parts for entry in part.cited()]
    others = [entry for entry in dict.fromkeys(all_of) if entry != own] if card.layers[0] == card.name else []
    found = [reference(own)] if own else []
    if others:
        names = [_called(each) for each in others]
        listed = " and ".join([", ".join(names[:-1])] * (len(names) > 1) + names[-1:])
        found.append(f"{'Its tables also use' if own else 'Its tables use'} parts of {listed}.")
    return found


def _called(bibtex: str) -> str:
    """The card of a paper, as a link, or who wrote it."""
    of_paper = {PAPERS.get(name): name for name in METHODS}
    if bibtex in of_paper:
        return f"[{METHODS[of_paper[bibtex]]}](#{of_paper[bibtex]})"
    return f"{authors(bibtex)} ({fields(bibtex)['year']})"


def reference(bibtex: str) -> str:
    """Authors, year, title and venue of an entry as Markdown, with a link where the entry has an address."""
    entry = fields(bibtex)
    title = f"*{entry['title']}*"
    if "eprint" in entry:
        title = f"[{title}](https://arxiv.org/abs/{entry['eprint']})"
    venue = entry.get("booktitle") or f"arXiv {entry['eprint']}"
    return f"{authors(bibtex)} ({entry['year']}): {title}. {venue}."


def authors(bibtex: str) -> str:
    """The family names of one or two authors, else of the first."""
    names = [name.partition(",")[0] for name in fields(bibtex)["author"].split(" and ")]
    return " and ".join(names) if len(names) < 3 else f"{names[0]} et al."


def fields(bibtex: str) -> dict[str, str]:
    """The fields of an entry, without the braces within them."""
    found = re.findall(r"^  (\w+) = \{(.+)\},?$", bibtex, re.MULTILINE)
    return {name: re.sub(r"[{}]", "", value) for name, value in found}


def shown(card: Card) -> str:
    """The tables that make a card what it is, as TOML."""
    said = table(card)
    plain, tables = list[str](), list[str]()
    for name in card.shown:
        value = said.get(name, [])
        # How many images are matched is the same for all.
        if name == "sampler" and value.get("type", "epoch") == "epoch":
            continue
        if isinstance(value, dict):
            tables.append(_table(f"[{name}]", value))
        elif isinstance(value, list):
            tables += [_table(f"[[{name}]]", each) for each in value]
        else:
            plain.append(f"{name} = {_inline(value)}")
    return "\n\n".join(["\n".join(plain)] * bool(plain) + tables)


def _table(header: str, values: Mapping[str, Any]) -> str:
    return "\n".join([header, *(f"{name} = {text}" for name, text in _dotted(values))])


def _dotted(values: Mapping[str, Any], place: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _dotted(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", _inline(value)


def _inline(value: Any) -> str:
    """A value as TOML in one line."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{name} = {text}' for name, text in _dotted(value))} }}" if value else "{}"
    if isinstance(value, list):
        texts = [_inline(each) for each in value]
        listed = f"[{', '.join(texts)}]"
        lines = "".join(f"    {text},\n" for text in texts)
        return listed if len(listed) <= WIDEST or len(texts) == 1 else f"[\n{lines}]"
    return json.dumps(value, ensure_ascii=False)
