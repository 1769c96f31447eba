"""What was probably meant by an id that is not there: asked of the service, and soon given up."""

import contextlib
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

import click

from pourparler import v1 as pb
from pourparler.cli.errors import Asked, either
from pourparler.cli.options import connection
from pourparler.drafts.values import negotiation_name
from pourparler.errors import NotFoundError, PourparlerError
from pourparler.schema.contract import PARTS

_PATIENCE = 1.0  # seconds: an error that is known is not held back for long
_MOST = 10_000
_NAMED = 3


def near(said: str, words: Iterable[str]) -> list[str]:
    """The words that are nearly what was said, the nearest first: by letters, or by a beginning."""
    known = list(words)
    close = get_close_matches(said, known, n=_NAMED, cutoff=0.7)
    begun = sorted(one for one in known if said and one.startswith(said))
    return list(dict.fromkeys([*close, *begun]))[:_NAMED]


class Choice(click.Choice[str]):
    """One of several words; of one that is none of them, it is said which was perhaps meant."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            found = near(str(value), self.choices)
            if not found:
                raise
            all_of_them = ", ".join(self.choices)
            said = f"{value!r} is none. Did you mean {either(found)}? All: {all_of_them}."
            raise click.BadParameter(said, ctx, param) from None


def meant(error: PourparlerError, asked: Asked, root: click.Context) -> list[str]:
    """The ids that were perhaps meant where something is not there; none if that takes long."""
    if not isinstance(error, NotFoundError):
        return []
    with contextlib.suppress(Exception), connection.client_of(root, timeout=_PATIENCE) as client:
        if error.reason == "NEGOTIATION_NOT_FOUND":
            said = error.metadata.get("negotiation", "") or asked.negotiation
            listed = islice(client.list_negotiations(page_size=1000), _MOST)
            return near(said, (one.name.removeprefix("negotiations/") for one in listed))
        if error.reason == "PART_NOT_FOUND" and "id" in error.metadata:
            state = client.get_negotiation(negotiation_name(asked.negotiation)).negotiation
            return near(error.metadata["id"], _ids(state, error.message))
    return []


def _ids(state: pb.Negotiation, message: str) -> set[str]:
    """The ids of the parts of the kind that a refusal speaks of, or else of all."""
    kinds = [kind for kind in PARTS.values() if f"no {kind[:-1]} " in message]
    return {key for kind in kinds or PARTS.values() for key in getattr(state, kind)}
