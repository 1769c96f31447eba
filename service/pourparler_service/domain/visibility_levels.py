"""Who may see what: the order of visibilities, from everyone to the keepers of the record. Pure."""

from collections.abc import Iterable

from pourparler import v1 as pb
from pourparler_service.domain.refusal import listed

PARTIES = pb.Visibility(level=pb.VISIBILITY_LEVEL_PARTIES)
RECORDER_ONLY = pb.Visibility(level=pb.VISIBILITY_LEVEL_RECORDER_ONLY)


def restricted(audience: Iterable[str]) -> pb.Visibility:
    """Seen by these participants alone."""
    return pb.Visibility(level=pb.VISIBILITY_LEVEL_RESTRICTED, audience=audience)


def is_wider(one: pb.Visibility, other: pb.Visibility) -> bool:
    """Whether somebody may see the one who may not see the other."""
    if one.level != other.level:
        return one.level < other.level  # The levels are numbered from the widest on.
    if one.level != pb.VISIBILITY_LEVEL_RESTRICTED:
        return False
    return not set(one.audience) <= set(other.audience)


def widens(new: pb.Visibility, old: pb.Visibility) -> bool:
    """Whether all who may see the old, and others besides, may see the new."""
    return is_wider(new, old) and not is_wider(old, new)


def shown(visibility: pb.Visibility) -> str:
    """A visibility in a sentence."""
    name = pb.VisibilityLevel.Name(visibility.level).removeprefix("VISIBILITY_LEVEL_")
    return f"{name} ({listed(sorted(visibility.audience))})" if visibility.audience else name
