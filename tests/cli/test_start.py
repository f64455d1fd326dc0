"""What the commands start without: torch always, and for help everything that takes long to import."""

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import idc_cli

HOME = Path(idc_cli.__file__).parent
MODULES = {
    ".".join(("idc_cli", *path.relative_to(HOME).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in HOME.rglob("*.py")
}

AT_START = {"main", "app", "allocator", "completion", "interruption", "commands"}
"""Rooms that `idc --help` imports."""

HEAVY = ("torch", "torchvision", "kornia", "numpy", "matplotlib", "jinja2", "markdown_it", "rich.markdown")


def room(module: str) -> str:
    return module.split(".")[1]


def imports(path: Path, *, at_start: bool = False) -> set[str]:
    """Modules that a file imports anywhere, for types too; or only those that importing the file imports."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            found |= {name if name in MODULES else node.module for name in names}
        deferred = isinstance(node, ast.FunctionDef) or (
            isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        )
        if not (at_start and deferred):
            pending += ast.iter_child_nodes(node)
    return found


def started(
    arguments: list[str], forbidden: tuple[str, ...], *, code: int
) -> subprocess.CompletedProcess[str]:
    """A command in its own process, which ends with that code and imports none of these."""
    program = (
        "import sys\n"
        "from idc_cli.main import app\n"
        "try:\n"
        "    app(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        f"    assert (end.code or 0) == {code}, end.code\n"
        f"heavy = set({forbidden!r}) & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done


def test_what_help_imports_is_light() -> None:
    for module, path in MODULES.items():
        if module != "idc_cli" and room(module) in AT_START and module != "idc_cli.commands.new.plugin":
            for name in imports(path, at_start=True):
                top = name.partition(".")[0]
                light = top in ("typer", "idc_cli") or top in sys.stdlib_module_names
                assert light, f"{module} imports {name}"
                if name in MODULES:
                    assert room(name) in AT_START, f"{module} imports {name}"


@pytest.mark.parametrize(
    ("arguments", "forbidden"),
    [
        (["--help"], (*HEAVY, "pydantic", "rich")),
        (["run", "--help"], (*HEAVY, "rich")),
        (["evaluate", "--help"], (*HEAVY, "rich")),
        (["--version"], HEAVY),
        (["plugins"], HEAVY),
        (["plugins", "--json"], HEAVY),
        (["cache"], HEAVY),
        (["new", "decoder", "my-own"], ("torch", "torchvision", "kornia", "numpy", "matplotlib")),
        (["compare", "runs/small"], HEAVY),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_commands_start_without_heavy_libraries(
    arguments: list[str], forbidden: tuple[str, ...], run: Path
) -> None:
    started(arguments, forbidden, code=0)


def test_inspect_needs_neither_torch_nor_the_plugins(run: Path) -> None:
    done = started(["inspect", str(run)], (*HEAVY, "idc.stages.decoders"), code=0)
    assert "multiformation" in done.stdout


@pytest.mark.parametrize("command", ["run", "estimate", "pretrain"])
def test_a_missing_file_is_refused_at_once(command: str) -> None:
    assert "absent: no such file" in started([command, "absent"], HEAVY, code=2).stderr


def test_every_command_says_what_it_is_in_one_line() -> None:
    from idc_cli.main import app

    for command in app.registered_commands:
        assert command.callback is not None
        first = (command.callback.__doc__ or "").splitlines()[0]
        # As much as stands beside the longest name in 80 columns.
        assert 20 < len(first) <= 66, first
        assert first.endswith("."), first


def test_templates_are_where_their_loaders_look() -> None:
    for package, file in (
        ("idc_cli.report", "report.html.j2"),
        ("idc_cli.commands.new", "pyproject.toml.j2"),
    ):
        spec = find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        assert (Path(spec.origin).parent / "templates" / file).exists()
