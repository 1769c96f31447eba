"""Visibilities and their order, from PUBLIC to RECORDER_ONLY. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler_service.domain.refusal import id_list

PARTIES = pb.Visibility(level=pb.VISIBILITY_LEVEL_PARTIES)
RECORDER_ONLY = pb.Visibility(level=pb.VISIBILITY_LEVEL_RECORDER_ONLY)


def restricted(audience: Iterable[str]) -> pb.Visibility:
    """Return a RESTRICTED visibility for these participants."""
    return pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED, audience=audience)


def is_wider(one: pb.Visibility, other: pb.Visibility) -> bool:
    """Return True if `one` includes a reader that `other` excludes."""
    if one.level != other.level:
        return one.level < other.level  # the widest level has the lowest number
    if one.level != pb.VISIBILITY_LEVEL_RESTRICTED:
        return False
    return not set(one.audience) <= set(other.audience)


def is_strictly_wider(new: pb.Visibility, old: pb.Visibility) -> bool:
    """Return True if `new` includes all readers of `old`, and at least one other."""
    return is_wider(new, old) and not is_wider(old, new)


def visibility_text(visibility: pb.Visibility) -> str:
    """Return a visibility as a sentence has it."""
    name = pb.VisibilityLevel.Name(visibility.level).removeprefix("VISIBILITY_LEVEL_")
    return f"{name} ({id_list(sorted(visibility.audience))})" if visibility.audience else name
