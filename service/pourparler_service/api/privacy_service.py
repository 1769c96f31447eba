"""PrivacyService: erasures of the words of a person."""

import asyncio
import re
from concurrent.futures import Executor

from pourparler import v1 as pb
from pourparler_service.api.call_handler import Call
from pourparler_service.api.receipt_waiter import ReceiptWaiter
from pourparler_service.api.request_parsing import negotiation_id
from pourparler_service.authorization.viewer_scopes import ScopeResolver
from pourparler_service.domain.refusal import RefusalError, quoted, refuse
from pourparler_service.validation import drafts
from pourparler_service.writes.erasure import Eraser, ErasureRequest, redaction

_NAME = re.compile(r"(negotiations/[^/]{1,64})/erasures/[0-9a-f-]{36}")


class PrivacyServicer:
    """Requests erasures. Owned by the thread of the event loop."""

    def __init__(
        self,
        eraser: Eraser,
        threads: Executor,
        reading: Executor,
        scopes: ScopeResolver,
    ) -> None:
        """Erase on threads of their own, since one erasure waits for another; read on others."""
        self._eraser = eraser
        self._threads = threads
        self._reading = reading
        self._scopes = scopes
        self._waiter = ReceiptWaiter()

    async def EraseSubject(self, request: pb.EraseSubjectRequest, call: Call) -> bytes:
        """Destroy the words of a person. An erasure that has begun outlives its caller."""
        erasure = ErasureRequest(
            negotiation_id(request.name),
            request.participant_id,
            request.legal_basis,
            request.authority,
            call.caller,
            request.request_id,
        )
        _check(erasure)
        response = self._threads.submit(self._erase, erasure)
        return await self._waiter.wait(response, call.deadline)

    async def GetErasure(self, request: pb.GetErasureRequest, call: Call) -> bytes:
        """Return the state of an erasure."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reading, self._get, request.name, call.caller)

    def _erase(self, request: ErasureRequest) -> bytes:
        self._scopes.check_may_erase(request.negotiation, request.caller)
        erasure = self._eraser.erase(request)
        return pb.EraseSubjectResponse(erasure=erasure).SerializeToString()

    def _get(self, name: str, caller: str) -> bytes:
        found = _NAME.fullmatch(name)
        if found is None:
            form = "'negotiations/{id}/erasures/{erasure}'"
            text = f"The name {quoted(name)} is not of the form {form}."
            refuse(pb.ERROR_REASON_ID_INVALID, text, "name")
        self._scopes.check_may_erase(negotiation_id(found[1]), caller)
        return pb.GetErasureResponse(erasure=self._eraser.get(name)).SerializeToString()


def _check(request: ErasureRequest) -> None:
    """Raise RefusalError if a request cannot be recorded as an erasure."""
    drafts.check_request_id(request.request_id, "request_id")
    if not request.participant_id:
        text = "participant_id is missing. Name the participant whose words you want destroyed."
        refuse(pb.ERROR_REASON_FIELD_REQUIRED, text, "participant_id")
    drafts.check_id(request.participant_id, "participant_id")
    try:
        drafts.check_draft(redaction(1, request.legal_basis, request.authority))
    except RefusalError as refusal:
        raise RefusalError(
            one._replace(field=one.field.removeprefix("words.")) for one in refusal.violations
        ) from None
