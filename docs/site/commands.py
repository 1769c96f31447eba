"""The reference of the command `pourparler`, generated from its help."""

import re
from collections.abc import Iterator

import click

from pourparler.cli.commands import SECTIONS
from pourparler.cli.commands import pourparler as command_line


def page() -> str:
    """Return the page with all commands and their options."""
    return "\n".join(_page())


def label(name: str) -> str:
    """Return the label that links use for a command."""
    return f"command-{name}"


def _page() -> Iterator[str]:
    context = click.Context(command_line, info_name="pourparler")
    yield "# Command line\n"
    yield from _said(command_line)
    yield "```text\npourparler [OPTIONS] COMMAND [ARGUMENTS]\n```\n"
    yield from _options(command_line, context)
    for title, commands in SECTIONS.items():
        yield f"## {title}\n"
        for command in commands:
            said = command.get_short_help_str(limit=200)
            yield f"[`{command.name}`](#{label(str(command.name))})\n: {_marked(said)}\n"
        for command in commands:
            yield from _command(command, context)


def _command(command: click.Command, above: click.Context) -> Iterator[str]:
    name = str(command.name)
    context = click.Context(command, info_name=name, parent=above)
    yield f"({label(name)})=\n### {name}\n"
    yield from _said(command)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\npourparler {name} {usage}\n```\n"
    yield from _options(command, context)
    if command.epilog:
        examples = [line.strip() for line in command.epilog.splitlines()]
        listed = "\n".join(line for line in examples if line.startswith("pourparler"))
        yield f"For example:\n\n```sh\n{listed}\n```\n"


def _said(command: click.Command) -> Iterator[str]:
    """Yield the help of a command, one paragraph at a time."""
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        yield _marked(re.sub(r"\s+", " ", paragraph)) + "\n"


def _marked(text: str) -> str:
    """Return a help text as Markdown, with options as code and pages as links."""
    text = re.sub(r"(?<![\w`])(--[a-z][\w-]*)", r"`\1`", text)
    text = re.sub(r"\bdocs/([\w/-]+)\.md\b", r"[docs/\1.md](\1.md)", text)
    return text.replace("<", "\\<").replace("[env: ", "[").replace("*", "\\*")


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or "--help" in parameter.opts:
            continue
        names_, said = record
        yield f"`{names_}`\n: {_marked(said)}\n"
