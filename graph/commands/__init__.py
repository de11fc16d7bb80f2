"""The command line: each command is a function of a module here, and `main` runs the one that is named.

A command that needs a library which takes long to load, the API above all, imports it when it runs: so a list of tokens
or the help takes half the time.
"""

from graph.commands.line import GroupedOptions, cli, main
from graph.commands.pruning import prune
from graph.commands.serving import demo, schema, serve
from graph.commands.simulating import simulate
from graph.commands.store import backup, migrate, rebuild_curves, restore
from graph.commands.token import tokens

__all__ = ["cli", "main"]

for command in (serve, demo, simulate, schema, migrate, rebuild_curves, backup, restore, prune):
    cli.command(cls=GroupedOptions)(command)
cli.add_typer(tokens, name="token")
