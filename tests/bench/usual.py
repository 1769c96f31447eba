"""The usual way to build such a service: an event-sourced aggregate, and a pool of threads.

As the documentation of `eventsourcing` shows it: `@event` methods, an Application on SQLite, its
JSON transcoder, its defaults, a conflict tried again; around it a gRPC servicer as gRPC's shows it.
It keeps less than Pourparler does: no proof, no provenance, no request ids.
"""

import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import grpc
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import IntegrityError
from eventsourcing.utils import retry

from pourparler import v1 as pb
from pourparler.v1 import (
    audit_service_pb2_grpc,
    negotiation_service_pb2_grpc,
    record_service_pb2_grpc,
)
from tests.bench import talks

_THREADS = 10
_PAGE = 10  # the library has no larger ones unless it is told to
_ATTEMPTS = 10_000
_SECONDS_BETWEEN_ATTEMPTS = 0.001


class Negotiation(Aggregate):
    """A negotiation."""

    @event("Opened")
    def __init__(self, name: str) -> None:
        self.name = name
        self.participants: dict[str, str] = {}
        self.statements: dict[str, dict[str, Any]] = {}

    @staticmethod
    def create_id(name: str) -> UUID:
        return uuid5(NAMESPACE_URL, name)

    def join(self, participant_id: str, name: str) -> None:
        if participant_id in self.participants:
            message = "there is such a participant already"
            raise ValueError(message)
        self._join(participant_id, name)

    @event("ParticipantJoined")
    def _join(self, participant_id: str, name: str) -> None:
        self.participants[participant_id] = name

    def say(self, statement_id: str, speakers: list[str], text: str) -> None:
        if statement_id in self.statements or not set(speakers) <= set(self.participants):
            message = "there is such a statement already, or no such speaker"
            raise ValueError(message)
        self._say(statement_id, speakers, text)

    @event("StatementRecorded")
    def _say(self, statement_id: str, speakers: list[str], text: str) -> None:
        self.statements[statement_id] = {"speakers": speakers, "text": text}


class Negotiations(Application[UUID]):
    """Negotiations by their names."""

    @retry(IntegrityError, max_attempts=_ATTEMPTS, wait=_SECONDS_BETWEEN_ATTEMPTS)
    def record(self, name: str, drafts: list[pb.Draft]) -> int:
        """Record drafts; the version after them."""
        opening = drafts[0].facts.HasField("negotiation_opened")
        negotiation = Negotiation(name) if opening else self.get(name)
        for draft in drafts[1:] if opening else drafts:
            if draft.facts.HasField("participant_joined"):
                joined = draft.facts.participant_joined
                negotiation.join(joined.participant_id, draft.words.name)
            else:
                said = draft.facts.statement_recorded
                negotiation.say(said.statement_id, list(said.speakers), draft.words.text)
        self.save(negotiation)
        return negotiation.version

    def get(self, name: str) -> Negotiation:
        """A negotiation as it is now."""
        found: Negotiation = self.repository.get(Negotiation.create_id(name))
        return found

    def history(self, name: str) -> Iterator[Any]:
        """The events of a negotiation, or of all in the order in which they were recorded."""
        if name != "negotiations/-":
            yield from self.events.get(Negotiation.create_id(name))
            return
        after = 0
        while page := self.notification_log.select(after + 1, limit=_PAGE):
            yield from map(self.mapper.to_domain_event, page)
            after = page[-1].id


class _Servicer(
    record_service_pb2_grpc.RecordServiceServicer,
    negotiation_service_pb2_grpc.NegotiationServiceServicer,
    audit_service_pb2_grpc.AuditServiceServicer,
):
    """What is measured, and no more."""

    def __init__(self, negotiations: Negotiations) -> None:
        self._negotiations = negotiations

    def RecordEntries(self, request: Any, context: Any) -> Any:
        version = self._negotiations.record(request.negotiation, request.drafts)
        return pb.RecordEntriesResponse(
            receipt=pb.Receipt(negotiation=request.negotiation, version=version)
        )

    def GetNegotiation(self, request: Any, context: Any) -> Any:
        negotiation = self._negotiations.get(request.name)
        state = pb.Negotiation(name=negotiation.name, version=negotiation.version)
        for key, name in negotiation.participants.items():
            state.participants[key].words.name = name
        if request.view != pb.NEGOTIATION_VIEW_BASIC:
            for key, said in negotiation.statements.items():
                statement = state.statements[key]
                statement.facts.speakers.extend(said["speakers"])
                statement.words.text = said["text"]
        return pb.GetNegotiationResponse(negotiation=state)

    def ReplayEntries(self, request: Any, context: Any) -> Iterator[pb.ReplayEntriesResponse]:
        for found in self._negotiations.history(request.name):
            entry = pb.Entry()
            entry.header.version = found.originator_version
            entry.header.record_time.FromDatetime(found.timestamp)
            if type(found).__name__ == "StatementRecorded":
                entry.facts.statement_recorded.statement_id = found.statement_id
                entry.facts.statement_recorded.speakers.extend(found.speakers)
                entry.words.text = found.text
            yield pb.ReplayEntriesResponse(entries=[entry])


def _serve(folder: Path, histories: Mapping[str, int]) -> None:
    folder.mkdir(parents=True)
    negotiations = Negotiations(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(folder / "usual.sqlite"),
        }
    )
    for id_, length in histories.items():
        drafts = [talks.statement(number) for number in range(length - len(talks.OPENING))]
        negotiations.record(f"negotiations/{id_}", [*talks.OPENING, *drafts])
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=[("grpc.so_reuseport", 0)])
    servicer_type: Any = _Servicer  # its other methods are left to gRPC, which says so
    servicer = servicer_type(negotiations)
    record_service_pb2_grpc.add_RecordServiceServicer_to_server(servicer, server)
    negotiation_service_pb2_grpc.add_NegotiationServiceServicer_to_server(servicer, server)
    audit_service_pb2_grpc.add_AuditServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    stop.wait()
    server.stop(0).wait()


if __name__ == "__main__":
    given = [one.partition("=") for one in sys.stdin.readline().split()]
    _serve(Path(sys.argv[1]), {id_: int(length) for id_, _, length in given})
