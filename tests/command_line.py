"""The command line within the test's own process."""

from pathlib import Path

from typer.testing import CliRunner, Result

from idc_cli.main import app


def idc(*arguments: str) -> Result:
    """The outcome of a command; what it should not have raised is raised."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def succeeded(*arguments: str) -> Result:
    """The outcome of a command that must succeed."""
    result = idc(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(*arguments: str) -> str:
    """The message of a command that must fail with exit code 2, without a traceback or a file written."""
    before = sorted(Path().rglob("*"))
    result = idc(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.stderr
    assert sorted(Path().rglob("*")) == before, "something was written"
    assert "error: " in result.stderr
    return result.stderr.partition("error: ")[2].strip()


def names(message: str, *parts: str) -> None:
    """Check that a message names each of these: the value, what is allowed, and the fix."""
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"
