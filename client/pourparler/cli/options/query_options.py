"""Options that several commands share: points in time, filters, output and the service."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import Client, aio
from pourparler import v1 as pb
from pourparler.cli.errors import QueryContext
from pourparler.cli.options import connection
from pourparler.cli.options.completion import PartType
from pourparler.cli.options.suggestions import Choice
from pourparler.cli.terminal_escape import escaped
from pourparler.drafts.values import choice
from pourparler.schema.contract import ENTRY_TYPES

_Client = TypeVar("_Client", Client, aio.Client)
_Command = TypeVar("_Command", bound=Callable[..., Any])

_HIGHEST = (1 << 64) - 1


_TIME = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<minute>\d\d:\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
    r"(?P<zone>Z|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)


class PointType(click.ParamType[pb.AsOf]):
    """A version, or a time of recording; a time without a zone is in UTC.

    A day, a minute and a second include their end, so a time that the command printed includes
    what was recorded at that time.
    """

    name = "VERSION|TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> pb.AsOf:
        """Return the point as the contract has it."""
        if isinstance(value, pb.AsOf):
            return value
        text = str(value)
        if text.isascii() and text.isdigit():
            # More digits than this is no version, and may be no number that can be read.
            if len(text) > len(str(_HIGHEST)) or int(text) > _HIGHEST:
                self.fail(
                    f"The version {text} is too high. Give one below {_HIGHEST:,}.", param, ctx
                )
            return pb.AsOf(version=int(text))
        try:
            return pb.AsOf(record_time=_time(text))
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is not a point. Give a version such as 17 or a time such as "
                "2026-11-23 or 2026-11-23T09:30Z.",
                param,
                ctx,
            )


class TimeType(click.ParamType[datetime]):
    """A time of recording; a time without a zone is in UTC. Days and minutes begin with it."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the time."""
        if isinstance(value, datetime):
            return value
        try:
            return _begin(str(value), minute="00:00", second="00")
        except (ValueError, OverflowError):
            self.fail(
                f"{value!r} is not a time. Give one such as 2026-11-23 or 2026-11-23T09:30Z.",
                param,
                ctx,
            )


def _begin(text: str, *, minute: str, second: str) -> datetime:
    """Return the time of a text. `minute` and `second` replace what the text does not have."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(text)
    clock = f"{found['minute'] or minute}:{found['second'] or second}"
    return datetime.fromisoformat(f"{found['day']}T{clock}{found['zone'] or 'Z'}")


def _time(text: str) -> Timestamp:
    begun = _begin(text, minute="23:59", second="59")
    fraction = re.search(r"\.(\d+)", text)
    nanos = int((fraction[1] if fraction else "999999999").ljust(9, "0"))
    return Timestamp(seconds=int(begun.timestamp()), nanos=nanos)


def examples(*lines: str) -> str:
    """Return the examples at the end of a help text."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


def point_options(command: _Command) -> _Command:
    """Add the options for a point in time: --as-of and --occurred."""
    occurred = click.option(
        "--occurred",
        metavar="EDTF",
        default="",
        help="Include only events up to the end of this date: 2021, 2021-01-01, 2023-41 (second"
        " half).",
    )
    recorded = click.option(
        "--as-of",
        "recorded",
        type=PointType(),
        help="Use the record as of a version (17) or a time (2026-11-23T09:30Z).",
    )
    return recorded(occurred(command))


viewer_option = click.option(
    "--as-seen-by",
    "viewer_participant_id",
    type=PartType("participants"),
    metavar="ID",
    default="",
    help="Show the view of this participant.",
)


def _bases(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[pb.Basis.ValueType]:
    return [pb.Basis.ValueType(choice(pb.Basis, basis)) for basis in given]


participant_option = click.option(
    "--participant",
    "participants",
    type=PartType("participants"),
    metavar="ID",
    multiple=True,
    help="Include only entries that name this participant. Repeatable.",
)

topic_option = click.option(
    "--topic",
    "topics",
    type=PartType("topics"),
    metavar="ID",
    multiple=True,
    help="Include only entries on this topic. Repeatable.",
)

type_option = click.option(
    "--type",
    "entry_types",
    type=Choice(list(ENTRY_TYPES)),
    metavar="TYPE",
    multiple=True,
    help="Include only this entry type, such as statement_recorded. Repeatable.",
)

basis_option = click.option(
    "--basis",
    "bases",
    type=Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
    multiple=True,
    callback=_bases,
    help="Include only entries with this basis. Repeatable.",
)

full_option = click.option(
    "--full", is_flag=True, help="Show long texts in full, in a terminal too."
)


def point(recorded: pb.AsOf | None, occurred: str) -> pb.AsOf:
    """Return the point that the options name."""
    asked = pb.AsOf()
    if recorded is not None:
        asked.CopyFrom(recorded)
    asked.occur_date = occurred
    return asked


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print ProtoJSON, with the field names of the contract."
)


def client() -> Client:
    """Return a client of the service. It closes when the command ends."""
    context = click.get_current_context()
    return context.with_resource(_asking(connection.client))


def async_client() -> aio.Client:
    """Return an asynchronous client of the service. The caller closes it."""
    return _asking(connection.async_client)


def _asking(client_of: Callable[[click.Context], _Client]) -> _Client:
    context = click.get_current_context()
    root, negotiation = context.find_root(), context.params.get("negotiation") or ""
    root.obj = QueryContext(
        context.info_name or "", negotiation.removeprefix("negotiations/"), root.params["server"]
    )
    try:
        return client_of(root)
    except OSError as error:
        raise click.ClickException(
            f"{escaped(str(error.filename))} cannot be read: {error.strerror}. Name another file "
            "with --root-certificates, --certificate or --certificate-key."
        ) from error
    except ValueError as error:
        raise click.ClickException(
            f"{error} See --certificate, --certificate-key and --token-file."
        ) from error
