"""The ``idc`` command.

Nothing that needs torch is imported before a subcommand needs it, so that ``--help``, ``plugins`` and
``inspect`` answer at once.
"""

from idc_cli.app import app
from idc_cli.commands.cache import cache
from idc_cli.commands.compare import compare
from idc_cli.commands.estimate import estimate
from idc_cli.commands.evaluate import evaluate
from idc_cli.commands.export import export
from idc_cli.commands.import_ import import_
from idc_cli.commands.inspect import inspect
from idc_cli.commands.new.command import new
from idc_cli.commands.plugins import plugins
from idc_cli.commands.presets import presets
from idc_cli.commands.pretrain import pretrain
from idc_cli.commands.report import report
from idc_cli.commands.run import run
from idc_cli.commands.schema import schema
from idc_cli.commands.verify import verify

__all__ = ["app"]

# In the order of ``idc --help``: making synsets, looking at them, exchanging them, and the rest.
for command in (run, estimate, pretrain, evaluate, compare, report, inspect, verify):
    app.command()(command)
app.command("import")(import_)
app.add_typer(presets, name="presets")
for command in (export, plugins, new, schema, cache):
    app.command()(command)
