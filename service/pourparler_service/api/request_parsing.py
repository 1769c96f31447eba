"""Names and viewers of requests, parsed once before anything is read or written."""

from typing import Protocol

from pourparler_service.api.call_handler import Call
from pourparler_service.authorization.viewer_scopes import ScopeResolver, Viewer
from pourparler_service.validation import drafts


class _HasViewer(Protocol):
    @property
    def viewer_participant_id(self) -> str: ...


def negotiation_id(name: str, field: str = "name") -> str:
    """Return the id in the name of a negotiation. Raise RefusalError if it is no such name."""
    return drafts.check_name(name, field)


def viewer_of(scopes: ScopeResolver, request: _HasViewer, call: Call) -> Viewer:
    """Return the viewer of a request: its caller, perhaps with the view of a participant.

    Raise RefusalError if the id of the participant is invalid.
    """
    if request.viewer_participant_id:
        drafts.check_id(request.viewer_participant_id, "viewer_participant_id")
    return scopes.viewer(call.caller, request.viewer_participant_id)
