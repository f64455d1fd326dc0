"""Who may import whom, what starts without torch, and what a commit may not name."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "idc": ROOT / "packages/core/src/idc",
    "idc_augment": ROOT / "packages/augment/src/idc_augment",
    "idc_models": ROOT / "packages/models/src/idc_models",
    "idc_cli": ROOT / "packages/cli/src/idc_cli",
}
FORBIDDEN = {
    "idc": {"idc_augment", "idc_models", "idc_cli", "kornia", "typer", "rich"},
    "idc_augment": {"idc_models", "idc_cli", "torchvision", "typer", "rich"},
    "idc_models": {"idc_augment", "idc_cli", "kornia", "typer", "rich"},
    "idc_cli": {"idc_augment", "idc_models", "kornia", "torchvision"},
}

FLOORS: dict[str, list[set[str]]] = {
    "idc": [
        {"errors", "notebook", "seeding", "shapes", "spec", "table"},
        {"files", "runtime"},
        {"data", "network"},
        {"kinds"},
        {"config", "training"},
        {"stages", "synset"},
        {"condensation", "testing"},
        {"experiment"},
    ],
    "idc_cli": [
        {"allocator", "completion", "interruption", "run_folder", "terminal"},
        {"launch"},
        {"app", "report", "runner"},
        {"commands"},
        {"main"},
    ],
}
"""From the lowest: a module imports from rooms on lower floors, from its own room, and on the lowest floor
from the other modules of the vocabulary."""

NEEDS_TORCHVISION = {
    "idc.stages.datasets.image_dataset",
    "idc.stages.datasets.torchvision",
    "idc.synset.pictures",
}

WITHOUT_TORCH = ("idc.files", "idc.kinds", "idc.config")
"""Rooms all of whose modules are imported without torch, like those that commands answer from at once:"""
ALSO_WITHOUT_TORCH = (
    "idc.data.cache",
    "idc.experiment.report",
    "idc.runtime.options",
    "idc.runtime.place",
    "idc.synset.header",
    "idc.training.pool_files",
)

PLUGIN_SURFACE = {"idc.kinds", "idc.testing"}
PLUGINS = ("packages/augment/src", "packages/models/src", "examples/plugin", "packages/cli/src/idc_cli")


def modules(package: str) -> dict[str, Path]:
    """By dotted name, packages by their ``__init__``; without the package's front door, which is lazy."""
    folder = PACKAGES[package]
    found = {
        ".".join((package, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in folder.rglob("*.py")
    }
    del found[package]
    assert found
    return found


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Modules, and names taken from them, of all imports in a file: deferred and type-checking ones too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from ((node.module or "", alias.name) for alias in node.names)


def targets(path: Path, package: str) -> set[str]:
    """The modules of a package that a file imports."""
    known = modules(package)
    found = {f"{module}.{name}" if f"{module}.{name}" in known else module for module, name in imports(path)}
    return found & known.keys()


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package: str) -> None:
    for path in modules(package).values():
        tops = {module.partition(".")[0] for module, _ in imports(path)}
        assert not tops & FORBIDDEN[package], path


@pytest.mark.parametrize("package", FLOORS)
def test_rooms_import_from_floors_below(package: str) -> None:
    floors = {room: number for number, rooms in enumerate(FLOORS[package]) for room in rooms}
    for name, path in modules(package).items():
        room = name.split(".")[1]
        assert room in floors, f"{name} is in no room of the table"
        for target in targets(path, package):
            other = target.split(".")[1]
            vocabulary = package == "idc" and floors[room] == floors[other] == 0
            assert floors[other] < floors[room] or other == room or vocabulary, f"{name} imports {target}"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_imports_go_in_circles(package: str) -> None:
    graph = {name: targets(path, package) - {name} for name, path in modules(package).items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_root_of_the_core_is_its_vocabulary() -> None:
    assert len(list(PACKAGES["idc"].glob("*.py"))) <= 8


@pytest.mark.parametrize("folder", PLUGINS)
def test_plugins_need_the_kinds_and_their_checks_alone(folder: str) -> None:
    templates = (ROOT / folder).rglob("*.py.j2")
    files = [*templates] if folder.endswith("idc_cli") else [*(ROOT / folder).rglob("*.py"), *templates]
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8").replace("{{ kind | capitalize }}", "Kind")
        for line in text.splitlines():
            if line.startswith(("from idc.", "import idc.")):
                assert line.split()[1] in PLUGIN_SURFACE, f"{path}: {line}"


def test_torchvision_is_for_files_and_pictures() -> None:
    users = {
        name
        for name, path in modules("idc").items()
        if any(module.partition(".")[0] == "torchvision" for module, _ in imports(path))
    }
    assert users == NEEDS_TORCHVISION


def test_rooms_that_commands_start_from_do_without_torch() -> None:
    rooms = [name for name in modules("idc") if name.startswith(WITHOUT_TORCH)]
    assert len(rooms) > 20
    program = (
        f"import sys, {', '.join([*rooms, *ALSO_WITHOUT_TORCH])}\n"
        "heavy = {'torch', 'numpy', 'torchvision'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_are_short_and_named_after_what_they_hold(package: str) -> None:
    for name, path in modules(package).items():
        assert len(path.read_text().splitlines()) <= 300, f"{path} is too long to read in one sitting"
        assert path.stem not in ("utils", "helpers", "misc", "common", "base"), path
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith(("Manager", "Factory", "Wrapper")), f"{name}: {node.name}"


def test_every_stage_is_registered_in_the_group_of_its_folder() -> None:
    from importlib.metadata import entry_points

    from idc.kinds import KINDS

    for kind in KINDS.values():
        for point in entry_points(group=kind.group):
            if point.module.startswith("idc."):
                assert point.module.rpartition(".")[0].replace("idc.stages.", "idc.") == kind.group


def test_no_commit_names_a_package_registry() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    hosts = ["py" + "pi.org", "python" + "hosted.org", "/opt/" + "pypi"]
    for name in tracked.stdout.splitlines():
        path = ROOT / name
        assert path.name != "uv.lock"
        if path.suffix in (".safetensors", ".png") or not path.is_file():
            continue
        text = path.read_text()
        assert not [host for host in hosts if host in text], path
