"""The command line within the test's own process."""

from typer.testing import CliRunner, Result

from idc_cli.main import app


def idc(*arguments: str) -> Result:
    """The outcome of a command; what it should not have raised is raised."""
    result = CliRunner().invoke(app, list(arguments))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result
