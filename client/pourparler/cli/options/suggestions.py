"""Suggestions for an unknown id. The service has one second to list its ids."""

import contextlib
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

import click

from pourparler import v1 as pb
from pourparler.cli.errors import QueryContext, alternatives
from pourparler.cli.options import connection
from pourparler.drafts.values import negotiation_name
from pourparler.errors import NotFoundError, PourparlerError
from pourparler.schema.contract import PARTS

_PATIENCE = 1.0  # seconds: an error that is known is not held back for long
_MOST = 10_000
_NAMED = 3


def similar(said: str, words: Iterable[str]) -> list[str]:
    """Return the known words that resemble one, the nearest first."""
    known = list(words)
    close = get_close_matches(said, known, n=_NAMED, cutoff=0.7)
    begun = sorted(one for one in known if said and one.startswith(said))
    return list(dict.fromkeys([*close, *begun]))[:_NAMED]


class Choice(click.Choice[str]):
    """One of several words; of one that is none of them, it is said which was perhaps meant."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the word. Suggests similar words if it is unknown."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            found = similar(str(value), self.choices)
            if not found:
                raise
            all_of_them = ", ".join(self.choices)
            said = f"{value!r} is none. Did you mean {alternatives(found)}? All: {all_of_them}."
            raise click.BadParameter(said, ctx, param) from None


def suggest(error: PourparlerError, asked: QueryContext, root: click.Context) -> list[str]:
    """Return ids that resemble an unknown id. Returns none if the service is slow."""
    if not isinstance(error, NotFoundError):
        return []
    with contextlib.suppress(Exception), connection.client(root, timeout=_PATIENCE) as client:
        if error.reason == "NEGOTIATION_NOT_FOUND":
            said = error.metadata.get("negotiation", "") or asked.negotiation
            listed = islice(client.list_negotiations(page_size=1000), _MOST)
            return similar(said, (one.name.removeprefix("negotiations/") for one in listed))
        if error.reason == "PART_NOT_FOUND" and "id" in error.metadata:
            state = client.get_negotiation(negotiation_name(asked.negotiation)).negotiation
            return similar(error.metadata["id"], _ids(state, error.message))
    return []


def _ids(state: pb.Negotiation, message: str) -> set[str]:
    """Return the ids of the kind of part that an error names, or else of all kinds."""
    kinds = [kind for kind in PARTS.values() if f"no {kind[:-1]} " in message]
    return {key for kind in kinds or PARTS.values() for key in getattr(state, kind)}
