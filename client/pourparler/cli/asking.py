"""What is asked on the command line: points in time, ids, the service to ask."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

import click

from pourparler import Client
from pourparler import v1 as pb
from pourparler.values import as_of

_Command = TypeVar("_Command", bound=Callable[..., Any])

_HIGHEST = (1 << 64) - 1


class Point(click.ParamType[pb.AsOf]):
    """A version, or a time of recording: a day to its end, a time without a zone in UTC."""

    name = "VERSION|TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> pb.AsOf:
        """The point, as the contract has it."""
        if isinstance(value, pb.AsOf):
            return value
        text = str(value)
        if text.isascii() and text.isdigit():
            if int(text) > _HIGHEST:
                self.fail(f"{text} is too high for a version.", param, ctx)
            return as_of(int(text))
        try:
            day = date.fromisoformat(text)
        except ValueError:
            pass
        else:
            return as_of(record_time=datetime.combine(day, time.max, UTC))
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is neither a version such as 17 nor a time such as "
                "2026-11-23 or 2026-11-23T09:30Z.",
                param,
                ctx,
            )
        return as_of(record_time=moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def point_options(command: _Command) -> _Command:
    """The options that say at what point: --as-of and --occurred."""
    occurred = click.option(
        "--occurred",
        metavar="EDTF",
        default="",
        help="What had happened by the end of this date: 2021, 2021-01-01, 2023-41 (second half).",
    )
    recorded = click.option(
        "--as-of",
        "recorded",
        type=Point(),
        help="What the record said then: at a version (17) or at a time (2026-11-23T09:30Z).",
    )
    return recorded(occurred(command))


def point(recorded: pb.AsOf | None, occurred: str) -> pb.AsOf:
    """The point that the options ask for."""
    asked = pb.AsOf()
    if recorded is not None:
        asked.CopyFrom(recorded)
    asked.occur_date = occurred
    return asked


json_option = click.option(
    "--json", "as_json", is_flag=True, help="ProtoJSON for machines, with the names of the .proto."
)


def client() -> Client:
    """A client of the service that the command line names, closed when the command ends."""
    context = click.get_current_context()
    options = context.find_root().params
    return context.with_resource(Client(options["server"], timeout=options["timeout"]))
