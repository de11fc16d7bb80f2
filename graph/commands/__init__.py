"""The command line: each command is a function of a module here, and `main` runs the one that was asked for.

What only one command needs and takes long to load, the API above all, it imports when it runs: a list of tokens or the
help is there in half the time.
"""

from graph.commands.backup import backup, restore
from graph.commands.line import GroupedOptions, cli, main
from graph.commands.schema import schema
from graph.commands.serving import demo, serve
from graph.commands.simulating import simulate
from graph.commands.store import migrate, rebuild_curves
from graph.commands.token import tokens

__all__ = ["cli", "main"]

for command in (serve, demo, simulate, schema, migrate, rebuild_curves, backup, restore):
    cli.command(cls=GroupedOptions)(command)
cli.add_typer(tokens, name="token")
