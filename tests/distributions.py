"""Distributions that only exist on the path of one test: real metadata, found as any other."""

from pathlib import Path


def install(folder: Path, name: str, groups: dict[str, dict[str, str]], **modules: str) -> None:
    """Write a distribution into a folder.

    Args:
        folder: to be put on ``sys.path``.
        name: of the distribution.
        groups: entry-point group → type → ``module:Class``.
        modules: module name → source.
    """
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines: list[str] = []
    for group, types in groups.items():
        lines += [f"[{group}]", *(f"{each} = {target}" for each, target in types.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
