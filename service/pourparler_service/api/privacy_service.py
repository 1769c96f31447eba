"""PrivacyService: words destroyed, by law."""

import asyncio
import re
from concurrent.futures import Executor

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler_service.aggregate.current import CurrentNegotiations
from pourparler_service.api.call_handler import Call
from pourparler_service.api.receipt_waiter import ReceiptWaiter
from pourparler_service.authorization.roles import NOTHING, PUBLIC, roles_of, sight_of
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import Refusal, not_found, quoted, refuse
from pourparler_service.validation import drafts
from pourparler_service.writes.erasure import Eraser, ErasureRequest, redaction

_NAME = re.compile(r"(negotiations/[^/]{1,64})/erasures/[0-9a-f-]{36}")


class PrivacyServicer:
    """Has words destroyed. Belongs to the event loop's thread."""

    def __init__(
        self,
        erasures: Eraser,
        negotiations: CurrentNegotiations,
        threads: Executor,
        reading: Executor,
        sights: ScopeResolver,
    ) -> None:
        """Make erasures on threads of their own, as one waits for another; read on others.

        The sights say who is a stranger.
        """
        self._erasures = erasures
        self._negotiations = negotiations
        self._threads = threads
        self._reading = reading
        self._sights = sights
        self._answers = ReceiptWaiter()

    async def EraseSubject(self, request: pb.EraseSubjectRequest, call: Call) -> bytes:
        """Destroy a person's words. What has begun goes on, whatever becomes of the caller."""
        asked = ErasureRequest(
            drafts.check_name(request.name, "name"),
            request.participant_id,
            request.legal_basis,
            request.authority,
            call.caller,
            request.request_id,
        )
        _check(asked)
        answer = self._threads.submit(self._erased, asked)
        return await self._answers.of(answer, call.deadline)

    async def GetErasure(self, request: pb.GetErasureRequest, call: Call) -> bytes:
        """What became of an erasure."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._got, request.name, call.caller)

    def _erased(self, asked: ErasureRequest) -> bytes:
        self._check_allowed(asked.negotiation, asked.caller)
        erasure = self._erasures.erase(asked)
        return pb.EraseSubjectResponse(erasure=erasure).SerializeToString()

    def _got(self, name: str, caller: str) -> bytes:
        found = _NAME.fullmatch(name)
        if found is None:
            wanted = "'negotiations/{id}/erasures/{erasure}'"
            text = f"The name {quoted(name)} is not {wanted}."
            refuse(pb.ERROR_REASON_ID_INVALID, text, "name")
        self._check_allowed(drafts.check_name(found[1], "name"), caller)
        return pb.GetErasureResponse(erasure=self._erasures.get(name)).SerializeToString()

    def _check_allowed(self, id_: str, caller: str) -> None:
        """Refuse all but custodians, and those whom the policy of the service names for it."""
        policy = self._sights.policy
        named = policy.lets(caller, policy.privacy)
        if not named:
            self._sights.check_admitted(id_, caller)
        now = Timestamp()
        now.GetCurrentTime()
        with self._negotiations.current(id_) as negotiation:
            roles = roles_of(negotiation.state.principals, caller, now)
        if roles.custodian or named:
            return
        if sight_of(roles, caller, policy) in {NOTHING, PUBLIC}:
            not_found(id_)
        refuse(
            pb.ERROR_REASON_ROLE_NOT_SUFFICIENT,
            "To have words destroyed is for a custodian, or for whom the service names for it.",
        )


def _check(asked: ErasureRequest) -> None:
    """Refuse what cannot be put on the record of an erasure."""
    drafts.check_request_id(asked.request_id, "request_id")
    if not asked.participant_id:
        text = "It is not said whose words are to be destroyed."
        refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "participant_id")
    drafts.check_id(asked.participant_id, "participant_id")
    try:
        drafts.check_draft(redaction(1, asked.legal_basis, asked.authority))
    except Refusal as refusal:
        raise Refusal(
            one._replace(field=one.field.removeprefix("words.")) for one in refusal.violations
        ) from None
