"""What an operator can choose: where the record is kept, and where the service listens."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pourparler_service.store import IN_MEMORY

DEFAULT_ADDRESS = "127.0.0.1:50710"
DEFAULT_DATA = "pourparler-data"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one service."""

    data: Path | None = None
    """The data folder. None: the record is kept in memory, and gone with the process."""
    address: str = DEFAULT_ADDRESS
    """Where to listen, `HOST:PORT`; port 0 for any that is free. Only loopback is accepted."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The environment variables of the `eventsourcing` library."""
    keys: tuple[Path, ...] = ()
    """The files of the signing keys. None: one of the service's own, made in the data folder."""
    witnesses: tuple[str, ...] = ()
    """The witnesses, each by its URL and its verifier key, in turn."""
    witnesses_required: str = ""
    """How many cosignatures a checkpoint should bear. Not given: those of all witnesses."""
    witness_seconds: float = 10.0
    """How long a witness that failed is left in peace."""
    request_bytes: int = 1 << 20
    """The largest request. Its receipt, which is longer, then fits into what clients receive."""
    copy_bytes: int = 256 << 20
    """The largest bundle of which a copy is taken: what is held in memory while it is checked."""
    unary_calls: int = 1_000
    """How many calls that are answered with one message may be under way at once."""
    streams: int = 1_024
    """How many calls that are answered with a stream may be under way at once, watches too."""
    idle_seconds: float = 15.0
    """How often a replay that follows says that nothing is new."""
    unary_seconds: float = 30.0
    """How long a call without a deadline of its own may take."""
    grace_seconds: float = 10.0
    """How long calls may go on when the service stops."""
    probe_seconds: float = 10.0
    """How often the store is tried out when nobody asks for its health."""

    @classmethod
    def from_environment(
        cls,
        environment: Mapping[str, str] | None = None,
        *,
        data: Path | str | None = None,
        address: str | None = None,
        keys: Sequence[Path | str] = (),
    ) -> Self:
        """The settings of POURPARLER_DATA and its like, and of PERSISTENCE_MODULE.

        What is given as an argument wins.
        """
        said = dict(os.environ if environment is None else environment)
        in_memory = data is None and said.get("PERSISTENCE_MODULE") == IN_MEMORY
        folder = Path(data or said.get("POURPARLER_DATA") or DEFAULT_DATA)
        return cls(
            data=None if in_memory else folder,
            address=address or said.get("POURPARLER_ADDRESS") or DEFAULT_ADDRESS,
            keys=tuple(map(Path, keys or filter(None, said.get("POURPARLER_KEYS", "").split(":")))),
            witnesses=tuple(said.get("POURPARLER_WITNESSES", "").split()),
            witnesses_required=said.get("POURPARLER_WITNESSES_REQUIRED", ""),
            environment=said,
        )

    @classmethod
    def in_memory(cls, address: str = "127.0.0.1:0") -> Self:
        """The settings of a service that keeps its record in memory, on any free port."""
        return cls(address=address, environment={"PERSISTENCE_MODULE": IN_MEMORY})
