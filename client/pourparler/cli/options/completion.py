"""Completion in shells: ids from the service, and values of the contract."""

import contextlib
import io
import os
import re
import time
from collections.abc import Iterator
from itertools import islice

import click
from click import shell_completion
from click.shell_completion import CompletionItem

from pourparler import Client
from pourparler import v1 as pb
from pourparler.cli.options import connection
from pourparler.cli.output.wording import NOTHING, word_of
from pourparler.cli.terminal_escape import escaped
from pourparler.drafts.values import negotiation_name

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_POURPARLER_COMPLETE"
"""The environment variable with which a shell asks for a completion."""

_PATIENCE = 1.0  # seconds: a user who presses a key waits no longer
_MOST = 200
_INSERTABLE = re.compile(r"[\w.@+/:=-]+", re.ASCII)
"""The characters that have no special meaning in a shell."""
_BREAKS = re.compile(r"[:=]")
_STORED = {"access": "principals", "negotiation": ""}

_BASH = """\
_pourparler_completion() {
    local type value
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            plain) COMPREPLY+=("$value") ;;
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F _pourparler_completion %(prog_name)s 2>/dev/null ||
    complete -F _pourparler_completion %(prog_name)s
"""


class _Bash(shell_completion.BashComplete):
    """Completion for bash, from the typed line: bash ends words at colons, and addresses have one.

    The text before the last colon is already on the line, so the completion does not repeat it.
    """

    source_template = _BASH

    def source(self) -> str:
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = shell_completion.split_arg_string(line)
        incomplete = words.pop() if words and not line[-1:].isspace() else ""
        return words[1:], incomplete

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        found = super().get_completions(args, incomplete)
        said = max((one.end() for one in _BREAKS.finditer(incomplete)), default=0)
        if incomplete.startswith("--"):  # click takes the name of an option off what it completes
            said -= incomplete.index("=") + 1 if "=" in incomplete else 0
        for item in found:
            item.value = item.value[said:]
        return found


shell_completion.add_completion_class(_Bash, "bash")


def script(command: click.Command, shell: str) -> str:
    """Return the completion script of a shell."""
    return _complete(command, shell).source()


def answer(command: click.Command) -> int:
    """Answer a shell that asks what to complete; whatever goes wrong, with nothing."""
    shell = os.environ.get(VARIABLE, "").removesuffix("_complete")
    said = ""
    # A prompt is no place for errors.
    silent = contextlib.redirect_stderr(io.StringIO())
    with silent, contextlib.suppress(Exception, click.exceptions.Exit):
        said = _complete(command, shell).complete()
    print(said)
    return 0


def _complete(command: click.Command, shell: str) -> shell_completion.ShellComplete:
    complete = shell_completion.get_completion_class(shell)
    if complete is None:
        raise ValueError(shell)
    return complete(command, {}, "pourparler", VARIABLE)


class NegotiationType(click.ParamType[str]):
    """A negotiation, by its id."""

    name = "NEGOTIATION"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the negotiations, with their titles."""
        del param
        prefix = "negotiations/" if incomplete.startswith("negotiations/") else ""
        found: list[CompletionItem[str]] = []
        end = time.monotonic() + _PATIENCE
        with _client(ctx) as client:
            for one in client.list_negotiations(page_size=1000):
                key = prefix + one.name.removeprefix("negotiations/")
                if key.startswith(incomplete):
                    found.append(_item(key, one.title))
                if len(found) == _MOST or time.monotonic() > end:
                    break
        return _offered(found)


class PartType(click.ParamType[str]):
    """The id of a part of the negotiation that stands before it on the line."""

    name = "ID"

    def __init__(self, *kinds: str, paths: bool = False) -> None:
        """One of these kinds; with `paths`, its kind stands before it or alone."""
        self._kinds = kinds
        self._paths = paths

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the parts, with their names."""
        del param
        found = [CompletionItem(kind) for kind in self._kinds if self._paths]
        # While an option waits for its value, click has not parsed the words before it.
        if negotiation := next(iter(ctx.args), ctx.params.get("negotiation")):
            with contextlib.suppress(Exception), _client(ctx) as client:
                found += islice(self._parts(client, negotiation, incomplete), _MOST)
        return _offered([one for one in found if one.value.startswith(incomplete)])

    def _parts(
        self, client: Client, negotiation: str, incomplete: str
    ) -> Iterator[CompletionItem[str]]:
        basic = {"participants", "topics"}.issuperset(self._kinds)
        view = pb.NEGOTIATION_VIEW_BASIC if basic else pb.NEGOTIATION_VIEW_FULL
        state = client.get_negotiation(negotiation_name(negotiation), view=view).negotiation
        for kind in self._kinds:
            for key, part in sorted(getattr(state, _STORED.get(kind, kind), {}).items()):
                words = getattr(part, "words", pb.Words())
                said = f"{kind}/{key}" if self._paths else key
                if said.startswith(incomplete):
                    yield _item(said, words.name or words.title or words.text)


class EnumType(click.ParamType[str]):
    """A value of an enum of the contract, as people say it."""

    def __init__(self, *enums: str) -> None:
        """One of these enums."""
        self.name = " or ".join(enums)
        self._words = [
            word_of(enum, number).replace(" ", "_")
            for enum in enums
            for _, number in getattr(pb, enum).items()
            if number
        ]

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem[str]]:
        """Return the values."""
        del ctx, param
        return [CompletionItem(word) for word in self._words if word.startswith(incomplete)]


def _client(context: click.Context) -> Client:
    return connection.client(context.find_root(), timeout=_PATIENCE)


def _item(value: str, title: str) -> CompletionItem[str]:
    # The script of fish ends what it is told at a comma.
    return CompletionItem(value, help=escaped(title)[:60].replace(",", ";") or NOTHING)


def _offered(found: list[CompletionItem[str]]) -> list[CompletionItem[str]]:
    return [one for one in found if _INSERTABLE.fullmatch(one.value)]
