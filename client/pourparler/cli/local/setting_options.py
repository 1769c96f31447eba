"""The options of `pourparler serve`, from the table of settings of the installed service."""

import contextlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import click

from pourparler.cli.local.service_process import service_module


class ServeCommand(click.Command):
    """A command with an option for each setting of the service.

    The client does not depend on the service, so the options are made when they are first needed.
    """

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the command itself, and then those of the settings."""
        options: Sequence[click.Parameter] = ()
        # Completion has nothing to offer without the service, and must not end in an error.
        with contextlib.suppress(*([click.ClickException] if ctx.resilient_parsing else [])):
            options = _options()
        return [*self.params, *options, *super().get_params(ctx)[len(self.params) :]]


class _SettingOption(click.Option):
    """An option whose variable is shown here, and read by the service."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return None: the service reads a variable in the same way with and without a command."""
        del ctx
        return None

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what the help shows in brackets: the default as it is, without parentheses."""
        extra = super().get_help_extra(ctx)
        if isinstance(self.show_default, str):
            extra["default"] = self.show_default
        return extra


@cache
def _options() -> tuple[click.Parameter, ...]:
    table = service_module("config.settings_table")
    lists = {table.Kind.PATHS, table.Kind.TEXTS}
    return tuple(
        _SettingOption(
            [setting.option, setting.name],
            metavar=setting.kind.value,
            multiple=setting.kind in lists,
            envvar=setting.variable,
            show_envvar=True,
            show_default=setting.shown_default or False,
            type=click.Path() if setting.kind is table.Kind.PATH else str,
            help=setting.help + (" Repeatable." if setting.kind in lists else ""),
        )
        for setting in table.SETTINGS
        if not setting.environment_only
    )


def given(values: Mapping[str, Any]) -> dict[str, Sequence[str]]:
    """Return the settings that the command line gives, each as a list of texts."""
    lists = {
        name: [value] if isinstance(value, str) else list(value or ())
        for name, value in values.items()
    }
    return {name: texts for name, texts in lists.items() if texts}
