"""The reference of the command `pourparler`, made from its own help."""

import re
from collections.abc import Iterator

import click

from pourparler.cli.commands import pourparler as command_line


def page() -> str:
    """The page of the command and of all its commands, with all their options."""
    return "\n".join(_page())


def label(name: str) -> str:
    """The label of a command: what links name."""
    return f"command-{name}"


def names() -> list[str]:
    """The names of all commands."""
    return sorted(command_line.commands)


def _page() -> Iterator[str]:
    context = click.Context(command_line, info_name="pourparler")
    yield "# The command\n"
    yield from _said(command_line)
    yield "```text\npourparler [OPTIONS] COMMAND [ARGUMENTS]\n```\n"
    yield from _options(command_line, context)
    yield "## In short\n"
    for name in names():
        said = command_line.commands[name].get_short_help_str(limit=200)
        yield f"[`{name}`](#{label(name)})\n: {_marked(said)}\n"
    for name in names():
        command = command_line.commands[name]
        below = click.Context(command, info_name=name, parent=context)
        yield f"({label(name)})=\n## {name}\n"
        yield from _said(command)
        usage = " ".join(command.collect_usage_pieces(below))
        yield f"```text\npourparler {name} {usage}\n```\n"
        yield from _options(command, below)


def _said(command: click.Command) -> Iterator[str]:
    """What the help of a command says, each paragraph on its own."""
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        yield _marked(re.sub(r"\s+", " ", paragraph)) + "\n"


def _marked(text: str) -> str:
    """A text of the help as Markdown: what is not plain is code."""
    text = re.sub(r"(?<![\w`])(--[a-z][\w-]*)", r"`\1`", text)
    text = re.sub(r"\bdocs/(\w+)\.md\b", r"[docs/\1.md](\1.md)", text)
    return text.replace("<", "\\<").replace("[env: ", "[").replace("*", "\\*")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        names_, said = record
        yield f"`{names_}`\n: {_marked(said)}\n"
