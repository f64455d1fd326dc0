"""``idc plugins``."""

from idc_cli.app import Json


def plugins(json: Json = False) -> None:
    """List every installed stage type and its distribution.

    No plugin is imported for it.
    """
    from json import dumps

    from idc.kinds import KINDS, registry
    from idc_cli.terminal.tables import show_table

    found = [(name, each) for name, kind in KINDS.items() for each in registry.installed(kind.group)]
    if json:
        print(dumps([{"table": name, **each._asdict()} for name, each in found], indent=2))
        return
    rows = [(name, each.type, f"{each.distribution} {each.version}", each.target) for name, each in found]
    show_table(["table", "type", "distribution", "class"], rows)
