"""``idc new``: a plugin package to begin with, complete with its test and a pipeline."""

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
from idc_cli.typed import typed

OF_KIND = {
    "decoder": {"article": "A", "method": "decode", "field": "pixels", "default": "1", "other": "2"},
    "objective": {
        "article": "An",
        "method": "distance",
        "field": "variance",
        "default": "1.0",
        "other": "0.5",
    },
}
"""What a template for both kinds says of each; ``other`` is a value of the field that is not its default."""

LONGEST = 30
"""Characters of a name: package, module and class are called after it, and are imported in one line."""


def new(kind: str, name: str, out: Path | None) -> None:
    """Write the package and say what to do with it.

    Args:
        kind: ``decoder`` or ``objective``.
        name: what a pipeline will write as ``type``.
        out: a folder that is absent or empty; by default ``idc-NAME``.

    Raises:
        InputError: a kind or name that cannot be had, or a folder that cannot be written.
    """
    if kind not in OF_KIND:
        raise InputError(
            f"KIND: {kind!r} is not allowed; it must be decoder or objective, the kinds that keep working. "
            "The others may change before 1.0: write one by hand, as docs/plugins.md says"
        )
    _refuse_malformed(kind, name)
    words = _words(kind, name)
    _refuse_taken(words)
    files = _files(words)
    _refuse_hiding(words, files)
    folder = out or Path(words["distribution"])
    try:
        _write(folder, files)
    except OSError as error:
        raise InputError(f"--out: cannot write {folder} ({error.strerror}); choose another folder") from None
    print(f"wrote {folder}; next:")
    for command in _next(folder, name):
        print(f"  {command}")


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
        **OF_KIND[kind],
    }


def _class(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


def _refuse_malformed(kind: str, name: str) -> None:
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > LONGEST:
        raise InputError(
            f"NAME: {name!r} is not allowed; it must be lower-case letters, digits and single dashes between "
            f"them, begin with a letter and have at most {LONGEST} characters, such as my-{kind}"
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
    """The text of every file, by its path in the folder."""
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
        loader=PackageLoader("idc_cli", "templates/plugin"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    # They end in .j2 because linters and type checkers would read a .py as a broken module of ours.
    return {path: environment.get_template(f"{name}.j2").render(words) for path, name in templates.items()}


def _write(folder: Path, files: Mapping[str, str]) -> None:
    exists = folder.is_dir()
    if exists and any(folder.iterdir()):
        raise InputError(f"--out: {folder} is not empty; choose another folder, or empty it")
    home = folder if exists else folder.parent
    home.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home, prefix=".idc-new-") as temporary:
        # A folder within, because the temporary one is closed to other users.
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


def _next(folder: Path, name: str) -> list[str]:
    # Where uv runs idc, pip alone would install into another environment.
    pip = "uv pip" if "UV" in os.environ else "pip"
    return [
        f"{pip} install -e {shlex.quote(f'{folder}[test]')}",
        typed(["pytest", folder / "tests"]),
        typed(["idc", "run", folder / f"{name}.toml"]),
    ]
