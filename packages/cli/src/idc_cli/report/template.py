"""Render a page from its template."""

from functools import cache
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from idc.synset.provenance import versions


class Plot(NamedTuple):
    """A plot of a page with its caption."""

    svg: str
    caption: str


def render(template: str, **values: Any) -> str:
    """The text of a page or card.

    Args:
        template: file name of the template.
        values: by the names that the template uses.
    """
    return _environment().get_template(template).render(version=versions()["idc-core"], **values)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("idc_cli.report"),
        autoescape=lambda name: name is None or name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
