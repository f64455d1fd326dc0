"""Who may import whom, what starts without torch, and what a commit may not name."""

import ast
import subprocess
import sys
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
TORCH_FREE = {
    "idc": {
        *(
            "__init__",
            "allocator",
            "artifact",
            "cache",
            "errors",
            "kinds/__init__",
            "kinds/images",
            "kinds/learning",
            "optimizer",
        ),
        *("overrides", "pipeline", "registry", "report", "resuming", "source", "spec", "stage", "tensorfile"),
    },
    "idc_cli": {
        "__init__",
        "app",
        "cache",
        "compare",
        "facts",
        "file_commands",
        "folder",
        "inspect",
        "interruption",
        "interval",
        "lock",
        "log",
        "main",
        "new",
        "plugins",
        "progress",
        "seeds",
        "terminal",
        "typed",
    },
}
NEEDS_TORCHVISION = {
    "datasets/image_dataset",
    "datasets/torchvision",
    "pictures",
}


def imported(path: Path, *, at_start: bool = False) -> set[str]:
    """Modules that a file imports anywhere, or only those that importing the file imports."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        deferred = isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not (at_start and deferred):
            pending += ast.iter_child_nodes(node)
    return found


def modules(package: str) -> dict[str, Path]:
    folder = PACKAGES[package]
    found = {str(path.relative_to(folder).with_suffix("")): path for path in folder.rglob("*.py")}
    assert found
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package: str) -> None:
    for path in modules(package).values():
        tops = {name.partition(".")[0] for name in imported(path)}
        assert not tops & FORBIDDEN[package], path


def test_torchvision_is_for_files_and_pictures() -> None:
    users = {
        name
        for name, path in modules("idc").items()
        if any(module.partition(".")[0] == "torchvision" for module in imported(path))
    }
    assert users == NEEDS_TORCHVISION


@pytest.mark.parametrize("package", TORCH_FREE)
def test_torch_free_modules_do_not_import_torch_or_what_does(package: str) -> None:
    free = {
        f"{home}.{name}".replace("/", ".").removesuffix(".__init__")
        for home in {package, "idc"}
        for name in TORCH_FREE[home]
    }
    for name in TORCH_FREE[package]:
        for module in imported(modules(package)[name], at_start=True):
            top, _, rest = module.partition(".")
            assert top not in ("torch", "torchvision", "jaxtyping", "numpy"), f"{name} imports {module}"
            if top in PACKAGES and rest.islower():
                home = module if module in free else module.rpartition(".")[0]
                assert home in free, f"{package}/{name} imports {module}, which is not free of torch"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["run", "--help"], ["plugins"], ["plugins", "--json"], ["--version"], ["compare", "--help"]],
    ids=" ".join,
)
def test_commands_start_without_torch(arguments: list[str]) -> None:
    program = (
        "import sys\n"
        "from idc_cli.main import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'kornia', 'torchvision'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
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
                assert point.module.rpartition(".")[0] == kind.group


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
