"""The command line itself: how commands are found, their flags, and how errors are reported."""

import gc
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from graph.process.listening import BindError
from graph.settings import Settings, SettingsError, flag_name, grouped, misspelt_variables, variable_name
from models.errors import JobError
from models.feed.channel import FeedError
from models.store.errors import StoreError, StoreFailure
from models.tokens import TokenError

__all__ = ["GroupedOptions", "cli", "main", "with_flags"]

NAME = "training-monitor"
MISTAKE = 2
"""The exit status of a command that cannot be executed as it was given."""

cli = typer.Typer(
    name=NAME,
    help="A training-job monitor you host yourself: a live page over a GraphQL API with subscriptions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: boxes cut long words short
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(version(NAME))
        raise typer.Exit


@cli.callback()
def _common(
    _: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The options before a command."""


class GroupedOptions(TyperCommand):
    """A command whose help lists the flags of settings under the headings of their groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # of typer's own click, which has no public types
        """Write a list for each group, and one for the other options."""
        records = {param.name: record for param in self.get_params(ctx) if (record := param.get_help_record(ctx))}
        groups = {heading: [name for name in names if name in records] for heading, names in grouped().items()}
        settings = {name for names in groups.values() for name in names}
        groups["Options"] = [name for name in records if name not in settings]
        for heading, names in groups.items():
            if names:
                with formatter.section(heading):
                    formatter.write_dl([records[name] for name in names])


def _flag(setting: str) -> Any:
    """The type of a setting's flag, with the description from the table of settings.

    As text: the settings check it, and raise a message of one line, whatever source a value has.
    """
    field, flag = Settings.model_fields[setting], flag_name(setting)
    is_switch = field.annotation is bool
    usual = str(field.default).lower() if is_switch else field.default or "none"
    described = f"{field.description}. Default {usual}; also {variable_name(setting)}."
    if is_switch:
        both = f"{flag}/--no-{flag.removeprefix('--')}"
        return Annotated[bool | None, typer.Option(both, help=described, show_default=False)]
    return Annotated[str | None, typer.Option(flag, help=described, show_default=False, metavar="VALUE")]


def with_flags(*settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command a flag for each of the settings, which it takes as keywords."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [one for one in signature(command).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
        flags = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=_flag(name)) for name in settings]
        command.__signature__ = Signature([*own, *flags])  # type: ignore[attr-defined]  # what typer reads
        return command

    return decorate


def main() -> None:
    """Run the command line. A mistake or a failure is one line on stderr, and exit status 2."""
    gc.enable()
    for name, meant in misspelt_variables(os.environ).items():
        hint = f"; did you mean {meant}?" if meant else ""
        typer.echo(f"training-monitor: warning: the environment variable {name} is no setting{hint}", err=True)
    try:
        status = cli(sys.argv[1:] or ["--help"], prog_name=NAME, standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        status = 130
    except typer.TyperException as error:
        message = " ".join(error.format_message().rstrip(".").split())
        end = "" if message.endswith("?") else "."
        met_in = getattr(error, "ctx", None)  # of what click raises for a mistake in the arguments
        status = _complain(f"{message}{end} See {met_in.command_path if met_in else NAME} --help.")
    except (SettingsError, StoreError, FeedError, BindError, JobError, TokenError) as error:
        status = _complain(str(error))
    except StoreFailure as failure:
        status = _complain(f"{str(failure)[0].upper()}{str(failure)[1:]}.")
    sys.exit(status)


def _complain(message: str) -> int:
    typer.echo(f"training-monitor: {message}", err=True)
    return MISTAKE
