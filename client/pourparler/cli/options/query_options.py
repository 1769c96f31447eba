"""What is asked on the command line: points in time, how it is shown, the service to ask."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import click
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import Client, aio
from pourparler import v1 as pb
from pourparler.cli.errors import Asked
from pourparler.cli.options import connection
from pourparler.cli.options.completion import Part
from pourparler.cli.options.suggestions import Choice
from pourparler.cli.terminal_escape import harmless
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


class Point(click.ParamType[pb.AsOf]):
    """A version, or a time of recording; a time without a zone is in UTC.

    A day, a minute and a second are meant to their ends, so that a time as it was shown includes
    what was recorded then.
    """

    name = "VERSION|TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> pb.AsOf:
        """The point, as the contract has it."""
        if isinstance(value, pb.AsOf):
            return value
        text = str(value)
        if text.isascii() and text.isdigit():
            # More digits than this is no version, and may be no number that can be read.
            if len(text) > len(str(_HIGHEST)) or int(text) > _HIGHEST:
                self.fail("This is too high for a version.", param, ctx)
            return pb.AsOf(version=int(text))
        try:
            return pb.AsOf(record_time=_time(text))
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is neither a version such as 17 nor a time such as "
                "2026-11-23 or 2026-11-23T09:30Z.",
                param,
                ctx,
            )


class Begin(click.ParamType[datetime]):
    """A time of recording; a time without a zone is in UTC. Days and minutes begin with it."""

    name = "TIME"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time itself."""
        if isinstance(value, datetime):
            return value
        try:
            return _begin(str(value), minute="00:00", second="00")
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time such as 2026-11-23 or 2026-11-23T09:30Z.", param, ctx)


def _begin(text: str, *, minute: str, second: str) -> datetime:
    """A time to the second, with this minute and second where it does not say them."""
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
    """Command lines to be given as they are, at the end of a help."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


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


seen_option = click.option(
    "--as-seen-by",
    "viewer_participant_id",
    type=Part("participants"),
    metavar="ID",
    default="",
    help="As the one who acts for this participant would have it.",
)


def _bases(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> list[pb.Basis.ValueType]:
    return [pb.Basis.ValueType(choice(pb.Basis, basis)) for basis in given]


participant_option = click.option(
    "--participant",
    "participants",
    type=Part("participants"),
    metavar="ID",
    multiple=True,
    help="Only naming them.",
)

topic_option = click.option(
    "--topic",
    "topics",
    type=Part("topics"),
    metavar="ID",
    multiple=True,
    help="Only on this topic.",
)

type_option = click.option(
    "--type",
    "entry_types",
    type=Choice(list(ENTRY_TYPES)),
    metavar="TYPE",
    multiple=True,
    help="Only this entry type, such as statement_recorded.",
)

basis_option = click.option(
    "--basis",
    "bases",
    type=Choice(["direct", "on_record", "reported", "unattributed", "analysis"]),
    multiple=True,
    callback=_bases,
    help="Only known in this way.",
)

full_option = click.option("--full", is_flag=True, help="Long texts in full, in a terminal too.")


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
    return context.with_resource(_asking(connection.client_of))


def awaited() -> aio.Client:
    """The same for who awaits its answers, to be closed by them."""
    return _asking(connection.awaited_of)


def _asking(client_of: Callable[[click.Context], _Client]) -> _Client:
    context = click.get_current_context()
    root, negotiation = context.find_root(), context.params.get("negotiation") or ""
    root.obj = Asked(
        context.info_name or "", negotiation.removeprefix("negotiations/"), root.params["server"]
    )
    try:
        return client_of(root)
    except OSError as error:
        raise click.ClickException(
            f"{harmless(str(error.filename))} cannot be read: {error.strerror}. Say another with "
            "--root-certificates, --certificate or --certificate-key."
        ) from error
    except ValueError as error:
        raise click.ClickException(
            f"{error} See --certificate, --certificate-key and --token-file."
        ) from error
