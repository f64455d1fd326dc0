"""A new plugin package, complete with its test and a pipeline."""

import ast
import keyword
import os
import re
import shlex
from collections.abc import Mapping
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from jinja2 import Environment, PackageLoader, StrictUndefined

from idc.errors import InputError
from idc.kinds import KINDS, registry
from idc_cli.terminal.shell import shell_line

KIND_WORDS = {
    "decoder": {"article": "A", "method": "decode", "field": "pixels", "default": "1", "other": "2"},
    "objective": {
        "article": "An",
        "method": "distance",
        "field": "variance",
        "default": "1.0",
        "other": "0.5",
    },
}
"""Words of each kind in the templates; ``other`` is a value of the field that is not its default."""

NAME_LENGTH = 30
"""Most characters of a name: package, module and class are named after it, and are imported in one line."""


def plugin_files(kind: str, name: str) -> dict[str, str]:
    """The files of a new plugin package.

    Args:
        kind: ``decoder`` or ``objective``.
        name: its ``type`` in pipelines.

    Returns:
        The text of each file, by its path in the package's folder.

    Raises:
        InputError: the kind or the name is not allowed.
    """
    if kind not in KIND_WORDS:
        raise InputError(
            f"KIND: {kind!r} is not allowed; it must be decoder or objective, whose interfaces are stable. "
            "The others may change before 1.0: write one by hand, as docs/plugins.md shows"
        )
    _refuse_malformed(kind, name)
    words = _words(kind, name)
    _refuse_taken(words)
    files = _files(words)
    _refuse_hiding(words, files)
    return files


def _words(kind: str, name: str) -> dict[str, str]:
    module = name.replace("-", "_")
    return {
        "kind": kind,
        "group": KINDS[kind].group,
        "name": name,
        "distribution": f"idc-{name}",
        "package": f"idc_{module}",
        "module": module,
        "class": _class(name),
        **KIND_WORDS[kind],
    }


def _class(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _refuse_malformed(kind: str, name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > NAME_LENGTH:
        raise InputError(
            f"NAME: {name!r} is not allowed; it must be lower-case letters, digits and single dashes between "
            f"them, start with a letter and have at most {NAME_LENGTH} characters, such as my-{kind}"
        )
    for word in (name, _class(name)):
        if keyword.iskeyword(word):
            raise InputError(
                f"NAME: {name!r} is not allowed, because {word} is a keyword of Python; choose another name, "
                f"such as {name}-{kind}"
            )


def _refuse_taken(words: Mapping[str, str]) -> None:
    name, kind, package = words["name"], words["kind"], words["package"]
    if taken := registry.distribution(words["group"], name):
        raise InputError(
            f"NAME: {name!r} is not allowed, because that type of {kind} is installed, by {taken[0]}; choose "
            "another name (idc plugins lists those that are taken)"
        )
    if find_spec(package) or any(distributions(name=words["distribution"])):
        raise InputError(
            f"NAME: {name!r} is not allowed, because a package {words['distribution']} is installed; choose "
            f"another name, such as {name}-{kind}"
        )


def _refuse_hiding(words: Mapping[str, str], files: Mapping[str, str]) -> None:
    own = f"{words['package']}.{words['module']}"
    for path, text in files.items():
        for node in ast.walk(ast.parse(text)) if path.endswith(".py") else ():
            if (
                isinstance(node, ast.ImportFrom)
                and node.module != own
                and words["class"] in (alias.name for alias in node.names)
            ):
                raise InputError(
                    f"NAME: {words['name']!r} is not allowed, because its class would hide "
                    f"{words['class']} of {node.module}; choose another name, such as my-{words['name']}"
                )


def _files(words: Mapping[str, str]) -> dict[str, str]:
    templates = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{words['name']}.toml": f"{words['kind']}.toml",
        f"src/{words['package']}/__init__.py": "init.py",
        f"src/{words['package']}/{words['module']}.py": f"{words['kind']}.py",
        f"src/{words['package']}/py.typed": "py.typed",
        f"tests/test_{words['module']}.py": "test.py",
    }
    environment = Environment(
        loader=PackageLoader("idc_cli.commands.new"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    # They end in .j2 because linters and type checkers would check a .py as a module of ours.
    return {path: environment.get_template(f"{name}.j2").render(words) for path, name in templates.items()}


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write all files into a folder, or none.

    Args:
        folder: absent or empty.
        files: text by path.

    Raises:
        InputError: the folder is not empty.
        OSError: the folder cannot be written.
    """
    exists = folder.is_dir()
    if exists and any(folder.iterdir()):
        raise InputError(f"--out: {folder} is not empty; choose another folder, or empty it")
    home = folder if exists else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home, prefix=".idc-new-") as temporary:
        # A folder within, because other users cannot read the temporary one.
        whole = Path(temporary) / "plugin"
        for name, text in files.items():
            path = whole / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        if not exists:
            whole.rename(folder)
            return
        # An empty folder is filled, not replaced: it may be a mount, or the one that the user's shell is in.
        for each in whole.iterdir():
            each.rename(folder / each.name)


def next_commands(folder: Path, name: str) -> list[str]:
    """Commands that install and try a new plugin.

    Args:
        folder: of the package.
        name: of the plugin.
    """
    # Where uv runs idc, or made its environment without pip, pip alone would install into another one.
    pip = "uv pip" if "UV" in os.environ or find_spec("pip") is None else "pip"
    return [
        f"{pip} install -e {shlex.quote(f'{folder}[test]')}",
        shell_line(["pytest", folder / "tests"]),
        shell_line(["idc", "run", folder / f"{name}.toml"]),
    ]
