"""The layout of the code: lines by room, floors, and circles of the import graph.

Every import counts, also those under TYPE_CHECKING and within functions. A module's floor is the longest
chain of imports below it, circles counted as one.

Run it in any checkout: `python benchmarks/rooms.py [ROOT]`.
"""

import ast
import sys
from collections import Counter
from pathlib import Path

import networkx

PACKAGES = {
    "idc": "packages/core/src/idc",
    "idc_augment": "packages/augment/src/idc_augment",
    "idc_models": "packages/models/src/idc_models",
    "idc_cli": "packages/cli/src/idc_cli",
}


def modules(root: Path) -> dict[str, Path]:
    """Dotted names and files of all packages; a package's ``__init__`` has the package's name."""
    found: dict[str, Path] = {}
    for package, folder in PACKAGES.items():
        for path in sorted((root / folder).rglob("*.py")):
            parts = path.relative_to(root / folder).with_suffix("").parts
            found[".".join((package, *parts)).removesuffix(".__init__")] = path
    return found


def import_graph(found: dict[str, Path]) -> networkx.DiGraph:
    """An edge from each module to each that it names in an import statement."""
    graph = networkx.DiGraph()
    graph.add_nodes_from(found)
    for name, path in found.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for target in targets:
                home = target if target in found else target.rpartition(".")[0]
                if home in found and home != name:
                    graph.add_edge(name, home)
    # The package's front door names everything lazily, and is no room.
    graph.remove_nodes_from([name for name in PACKAGES if name in graph])
    return graph


def main() -> None:
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent.parent
    found = modules(root)
    graph = import_graph(found)
    circles = [sorted(each) for each in networkx.strongly_connected_components(graph) if len(each) > 1]
    floors = networkx.condensation(graph)
    print(
        f"{len(found)} modules, {networkx.dag_longest_path_length(floors) + 1} floors, {len(circles)} circles"
    )
    for circle in circles:
        print(f"  circle of {len(circle)}: {', '.join(circle)}")
    lines, count = Counter[str](), Counter[str]()
    for name, path in found.items():
        parts = name.split(".")
        package = path.name == "__init__.py"
        room = (
            ".".join(parts[: 3 if parts[1:2] == ["stages"] else 2]) if len(parts) > 2 or package else parts[0]
        )
        lines[room] += len(path.read_text(encoding="utf-8").splitlines())
        count[room] += 1
    width = max(map(len, lines))
    for room in sorted(lines):
        print(f"{room:{width}}  {lines[room]:6,} lines in {count[room]:2} modules")
    print(f"{'all':{width}}  {sum(lines.values()):6,} lines in {len(found)} modules")


if __name__ == "__main__":
    main()
