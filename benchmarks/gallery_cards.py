"""The cards of benchmarks/gallery.py: which there are, and the pipeline of each."""

from pathlib import Path
from typing import Any, NamedTuple

from idc.config.extends import read_table
from idc.config.pipeline import Pipeline
from idc.table import merged

TABLES = Path(__file__).parent / "gallery"

BASELINES = {"random": "Random", "herding": "Herding"}
METHODS = {
    **{"dc": "DC", "dsa": "DSA", "dm": "DM", "idc-i": "IDC-I", "idc": "IDC", "dream": "DREAM"},
    **{"model-augmentation": "Model augmentation", "idm": "IDM", "m3d": "M3D", "dsdm": "DSDM"},
    **{"datadam": "DataDAM", "dance": "DANCE", "ncfm": "NCFM", "fast": "fast"},
}
DECODERS = ("raw", "multiformation", "mirror", "fred", "ddif", "gsdd")
BESIDE = "dance"
"""The method of the decoders' cards."""


class Card(NamedTuple):
    """One card of the page."""

    name: str
    """Of its file of tables."""
    title: str
    layers: tuple[str, ...]
    """Files of ``benchmarks/gallery`` without ``.toml``, laid over each other."""
    shown: tuple[str, ...]
    """Keys of the pipeline that make it what it is."""
    run: str
    """Name of its runs and of its picture: those of another card with the same tables, or its own name."""


def methods() -> list[Card]:
    """Selected real images first, then the methods in the order of their papers' years."""
    whole = ("inner_steps", "init", "decoder", "augment", "sampler", "objective", "networks", "optimizer")
    chosen = ("iterations", "init", "decoder")
    return [
        *(Card(name, title, (BESIDE, "same", name), chosen, name) for name, title in BASELINES.items()),
        *(Card(name, title, (name, "same"), whole, name) for name, title in METHODS.items()),
    ]


def decoders() -> list[Card]:
    """Every decoder with the same method; its own one is not run twice."""
    return [
        Card(
            name,
            name,
            (BESIDE, "same", name),
            ("decoder", "optimizer"),
            BESIDE if name == "multiformation" else name,
        )
        for name in DECODERS
    ]


def table(card: Card) -> dict[str, Any]:
    """What a card's files say together."""
    said: dict[str, Any] = {}
    for layer in card.layers:
        said = merged(said, read_table(TABLES / f"{layer}.toml"))
    return said


def pipeline(card: Card, seed: int = 0) -> Pipeline:
    """The pipeline of a card."""
    return Pipeline.parse(table(card) | {"name": "gallery", "method": card.run, "seed": seed})
