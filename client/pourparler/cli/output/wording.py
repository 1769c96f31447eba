"""Phrases for bases, statuses, dates, terms, quotations and names. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import TALLY_COUNTS

NOTHING = "-"

BASES: Mapping[int, tuple[str, str]] = {
    pb.BASIS_DIRECT: ("direct", "recorded at the table, or sent by the one who acts"),
    pb.BASIS_ON_RECORD: ("on record", "published or said by named speakers for attribution"),
    pb.BASIS_REPORTED: ("reported", "another person says so; not confirmed"),
    pb.BASIS_UNATTRIBUTED: ("unattributed", "from unnamed sources; not confirmed"),
    pb.BASIS_ANALYSIS: ("analysis", "an inference, said by no one; not confirmed"),
}
"""The name and the meaning of each basis."""

CORRECTIONS: Mapping[int, str] = {
    pb.CORRECTION_KIND_RECORDER: "the recorder made an error",
    pb.CORRECTION_KIND_SPEAKER_REQUEST: "the speaker asked for it",
    pb.CORRECTION_KIND_TRANSLATION: "the translation was wrong",
    pb.CORRECTION_KIND_IDENTITY: "it was another participant",
}
"""The reason for each kind of correction."""

_CONFIRMED = frozenset({pb.BASIS_DIRECT, pb.BASIS_ON_RECORD})


def tally(counts: pb.Tally) -> str:
    """Return the counts of a vote: "202 yes, 432 no, defeated"."""
    given = [f"{getattr(counts, name)} {name}" for name in TALLY_COUNTS if getattr(counts, name)]
    if counts.declared:
        given.append(word(counts, "declared"))
    return ", ".join(given)


def word(message: Message, field: str) -> str:
    """Return the value of an enum field for readers: `under discussion`. Empty if not set."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    return word_of(enum.name, getattr(message, field)) if enum is not None else ""


def word_of(enum: str, number: int) -> str:
    """Return a value of an enum of the contract for readers."""
    if not number:
        return ""
    pool = pb.Facts.DESCRIPTOR.file.pool
    value = pool.FindEnumTypeByName(f"pourparler.v1.{enum}").values_by_number.get(number)
    if value is None:
        return f"unknown ({number})"
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum).upper() + "_"
    return str(value.name).removeprefix(prefix).replace("_", " ").lower()


def basis(provenance: pb.Provenance) -> str:
    """How something is known, and that it is not confirmed where it is not."""
    name = BASES.get(provenance.basis, (NOTHING, ""))[0]
    if not provenance.basis:
        return NOTHING
    return name if provenance.basis in _CONFIRMED else f"{name}, unconfirmed"


def versions(numbers: Iterable[int]) -> str:
    """Return versions in one phrase: `#7 #17`."""
    return " ".join(f"#{number}" for number in numbers)


def ranges(numbers: Iterable[int]) -> str:
    """Many entries, given in their order: `#1 to #6, #9`."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(
        f"#{first}" if first == last else f"#{first} to #{last}" for first, last in found
    )


def listed(items: Sequence[str], conjunction: str = "and") -> str:
    """Several things in one phrase: `a, b and c`."""
    if len(items) < 2:  # noqa: PLR2004 - one thing, or none
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


def count(number: int, one: str, many: str = "") -> str:
    """Return a number with its noun: `1 entry`, `1,030 entries`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


class Names:
    """The names of participants. If two share a name, their ids follow."""

    def __init__(self, participants: Mapping[str, pb.Participant] | None = None) -> None:
        """Take the names from the participants of a state."""
        names = {key: escaped(one.words.name) for key, one in (participants or {}).items()}
        shared = Counter(names.values())
        self._names = {
            key: name if shared[name] == 1 else f"{name} ({key})"
            for key, name in names.items()
            if name
        }

    def __getitem__(self, participant_id: str) -> str:
        """Return the name of a participant, or the id if the name is unknown."""
        return self._names.get(participant_id) or escaped(participant_id)

    def all(self, participant_ids: Iterable[str], conjunction: str = "and") -> str:
        """Return the names of several participants in one phrase."""
        return listed([self[one] for one in participant_ids], conjunction)


def access(granted: pb.AccessGranted, names: Names) -> str:
    """Return the role, the participant and the end of an access: `as party, for Nissan`."""
    said = f"as {word(granted, 'role')}"
    if granted.participant_id:
        said += f", for {names[granted.participant_id]}"
    if granted.HasField("end_time"):
        said += f", until {moment(granted.end_time)}"
    return said


def grants(principal: pb.Principal, names: Names) -> str:
    """Return a phrase for all access of a principal."""
    return "; ".join(access(one.facts, names) for one in principal.grants) or "none any more"


def moment(time: Timestamp) -> str:
    """Return an instant to the second, in UTC: `2026-11-23 09:30:00Z`. Empty if not set."""
    if not time.seconds and not time.nanos:
        return ""
    try:
        return f"{datetime.fromtimestamp(time.seconds, UTC):%Y-%m-%d %H:%M:%S}Z"
    except (OverflowError, ValueError, OSError):
        return f"{time.seconds} s since 1970"


_DAY = r"-?\d{4,}(?:-\d\d(?:-\d\d)?)?"
_DIVISIONS = {
    "21": "spring", "22": "summer", "23": "autumn", "24": "winter",
    "33": "first quarter", "34": "second quarter", "35": "third quarter", "36": "fourth quarter",
    "40": "first half", "41": "second half",
}  # fmt: skip
_MARKS = {"~": "about {}", "?": "{}, uncertain", "%": "about {}, uncertain"}


def when(date: pb.FuzzyDate, verbatim: str = "") -> str:
    """Return a date in words, `second half of 2023`, with its verbatim text."""
    kind = date.WhichOneof("date")
    if kind is None:
        said = ""
    elif kind == "instant":
        said = moment(date.instant) or "1970-01-01 00:00:00Z"
    else:
        said = edtf(date.edtf, date.earliest, date.latest)
    if verbatim:
        words = f"“{escaped(verbatim)}”"
        return f"{said} ({words})" if said else words
    return said


def edtf(text: str, earliest: str = "", latest: str = "") -> str:
    """Return an EDTF date in plain words, or else as written, with its bounds."""
    return _one_of(text) or _lasting(text) or _single(text) or _bounded(text, earliest, latest)


def _single(text: str) -> str:
    for mark, phrase in _MARKS.items():
        if text.endswith(mark):
            within = _single(text[:-1])
            return phrase.format(within) if within else ""
    divided = re.fullmatch(r"(\d{4})-(\d\d)", text)
    if divided and divided[2] in _DIVISIONS:
        return f"{_DIVISIONS[divided[2]]} of {divided[1]}"
    if decade := re.fullmatch(r"(\d{3})X", text):
        return f"the {decade[1]}0s"
    return text if re.fullmatch(_DAY, text) else ""


def _one_of(text: str) -> str:
    """One day in a range or in a list of days."""
    if not (text.startswith("[") and text.endswith("]")):
        return ""
    inner = text[1:-1]
    first, dots, last = inner.partition("..")
    if dots:
        first, last = _single(first), _single(last)
        if first and last:
            return f"one day from {first} to {last}"
        if first and inner.endswith(".."):
            return f"from {first}, open"
        return f"no later than {last}" if last and inner.startswith("..") else ""
    days = [_single(day.strip()) for day in inner.split(",")]
    return listed(days, "or") if all(days) else ""


def _lasting(text: str) -> str:
    """Return a period in words."""
    first, slash, last = text.partition("/")
    if not slash:
        return ""
    begun, ended = _single(first), _single(last)
    if begun and ended:
        return f"lasting from {begun} to {ended}"
    if begun and last == "..":
        return f"lasting from {begun}, open"
    if begun and not last:
        return f"lasting from {begun} to an unknown end"
    if ended and first == "..":
        return f"lasting until {ended}"
    return f"lasting from an unknown beginning to {ended}" if ended and not first else ""


def _bounded(text: str, earliest: str, latest: str) -> str:
    shown = escaped(text)
    if not earliest and not latest:
        return shown
    return f"{shown} ({escaped(earliest) or 'open'} to {escaped(latest) or 'open'})"


_QUALIFIED = {
    pb.TERM_QUALIFIER_UP_TO: "up to {}",
    pb.TERM_QUALIFIER_AT_LEAST: "at least {}",
    pb.TERM_QUALIFIER_MORE_THAN: "more than {}",
    pb.TERM_QUALIFIER_LESS_THAN: "less than {}",
    pb.TERM_QUALIFIER_APPROX: "about {}",
}


def term(one: pb.Term, names: Names, words: pb.Words | None = None) -> str:
    """Return a term in words: `stake of Ampère held by Renault Group: more than 50 %`."""
    about = [escaped(f"{one.key} ({one.variant})" if one.variant else one.key)]
    if one.of_thing:
        about.append(f"of {escaped(one.of_thing)}")
    for field, link in (("of", "of"), ("held_by", "held by"), ("by", "by"), ("into", "into")):
        if value := getattr(one, field):
            about.append(f"{link} {names[value]}")
    return f"{' '.join(about)}: {amount(one, words)}"


def amount(one: pb.Term, words: pb.Words | None = None) -> str:
    """Return the value of a term: `more than 50 %`."""
    if one.qualifier == pb.TERM_QUALIFIER_UNKNOWN:
        return "not known"
    unit = "%" if one.type == pb.TERM_TYPE_PERCENT else escaped(one.unit)
    if one.per:
        unit = f"{unit} per {escaped(one.per)}".lstrip()
    value = escaped(one.value)
    if one.type == pb.TERM_TYPE_TEXT and words is not None:
        same = (said for said in words.term_texts if said.key == one.key)
        value = " ".join(escaped(said.text) for said in same if said.variant == one.variant)
    elif one.type == pb.TERM_TYPE_BOOL:
        value = {"true": "yes", "false": "no"}.get(value, value)
    if one.qualifier == pb.TERM_QUALIFIER_BETWEEN:
        value = f"from {value} to {escaped(one.value_max)}"
    return _QUALIFIED.get(one.qualifier, "{}").format(f"{value} {unit}".rstrip())


def terms(several: Iterable[pb.Term], names: Names, words: pb.Words | None = None) -> str:
    """Several terms in words."""
    return "; ".join(term(one, names, words) for one in several)


def quote(text: str, form: int, speaker: str = "") -> str:
    """Return a text: verbatim in quotation marks, else with its form."""
    if not text:
        gone = "(words destroyed or withheld)"
        return f"{speaker}: {gone}" if speaker else gone
    said = escaped(text, lines=True)
    if form == pb.FORM_VERBATIM:
        return f"{speaker}: “{said}”" if speaker else f"“{said}”"
    kind = word_of("Form", form) or "not said whether quoted"
    return f"{speaker}, {kind}: {said}" if speaker else f"{kind}: {said}"


def speaker(statement: pb.StatementRecorded, words: pb.Words, names: Names) -> str:
    """Return the speaker, with role and represented participants, or the attribution."""
    if statement.speakers:
        who = names.all(statement.speakers)
        if statement.joint:
            who += ", jointly"
    elif statement.attributed_to:
        who = f"attributed to {names.all(statement.attributed_to)}"
        if words.speaker_described:
            who += f" by {escaped(words.speaker_described)}"
    else:
        who = escaped(words.speaker_described) or "an unnamed speaker"
    if words.as_role:
        who += f", {escaped(words.as_role)}"
    if statement.on_behalf_of:
        who += f", on behalf of {names.all(statement.on_behalf_of)}"
    return who


def seen_by(visibility: pb.Visibility, names: Names) -> str:
    """Return the audience of an entry, if not everyone or every participant may see it."""
    if visibility.level == pb.VISIBILITY_LEVEL_RESTRICTED:
        return f"seen only by {names.all(visibility.audience)}"
    if visibility.level == pb.VISIBILITY_LEVEL_RECORDER_ONLY:
        return "seen only by custodians and recorders"
    return ""


def source(one: pb.Source) -> str:
    """Return a source in one phrase: title, publisher, date, place."""
    parts = [
        one.title,
        one.publisher,
        edtf(one.published) if one.published else "",
        one.locator,
        one.uri,
    ]
    return ", ".join(escaped(part) for part in parts if part)


def listing(pairs: Iterable[tuple[str, str]]) -> str:
    """Return a phrase for pairs that have a value: `by Renault Group; on t-ev`."""
    said = [f"{name} {value}".strip() for name, value in pairs if value]
    return "; ".join(dict.fromkeys(said))
