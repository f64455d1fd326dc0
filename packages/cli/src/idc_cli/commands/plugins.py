"""``idc plugins``."""

import json as jsonlib

from idc.kinds import KINDS, registry
from idc_cli.terminal import show_table


def plugins(*, json: bool) -> None:
    """Print every installed stage type, by kind."""
    found = [(name, each) for name, kind in KINDS.items() for each in registry.installed(kind.group)]
    if json:
        print(jsonlib.dumps([{"table": name, **each._asdict()} for name, each in found], indent=2))
        return
    rows = [(name, each.type, f"{each.distribution} {each.version}", each.target) for name, each in found]
    show_table(["table", "type", "distribution", "class"], rows)
