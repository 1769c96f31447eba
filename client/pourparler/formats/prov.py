"""W3C PROV in PROV-JSON: the recording, the speaker, the time and the source of each entry.

It has no words: it serves tools that trace provenance.
"""

import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any, BinaryIO
from urllib.parse import quote

from pourparler import v1 as pb
from pourparler.formats.draft_lines import compact, withheld
from pourparler.formats.table import row
from pourparler.schema.contract import entry_type

VOCABULARY = "urn:pourparler:v1#"
"""The prefix of entry types, and of attributes that PROV does not define."""

_SECTIONS = (
    "entity", "activity", "agent", "wasGeneratedBy", "wasAssociatedWith", "wasAttributedTo",
    "actedOnBehalfOf", "wasDerivedFrom", "wasInvalidatedBy",
)  # fmt: skip
_KINDS = {
    pb.PARTICIPANT_KIND_PERSON: "prov:Person",
    pb.PARTICIPANT_KIND_SOFTWARE_AGENT: "prov:SoftwareAgent",
}
_IN_MEMORY = 1 << 22

_Once = Callable[[str, str, dict[str, Any]], bool]
_Put = Callable[[str, str, dict[str, Any]], object]


def write(file: BinaryIO, entries: Iterable[pb.Entry], origin: str) -> int:
    """Write a document. Return the number of entries. Sections are buffered in temporary files."""
    count = 0
    with ExitStack() as stack:
        parts = {
            name: stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY, mode="w+b"))
            for name in _SECTIONS
        }
        keys: set[str] = set()  # of what more than one entry names

        def put(section: str, key: str, said: dict[str, Any]) -> None:
            part = parts[section]
            part.write(b",\n" if part.tell() else b"")
            part.write(f"{compact(key)}:{compact(said)}".encode())

        def once(section: str, key: str, said: dict[str, Any]) -> bool:
            if key in keys:
                return False
            keys.add(key)
            put(section, key, said)
            return True

        for entry in entries:
            _tell(entry, put, once)
            count += 1
        prefix = {"pp": VOCABULARY, "in": f"urn:pourparler:{quote(origin)}/"}
        file.write(f'{{"prefix":{compact(prefix)}'.encode())
        for name, part in parts.items():
            if part.tell():
                part.seek(0)
                file.write(f',\n"{name}":{{\n'.encode())
                while data := part.read(1 << 16):
                    file.write(data)
                file.write(b"}")
        file.write(b"}\n")
    return count


def _tell(entry: pb.Entry, put: _Put, once: _Once) -> None:
    """Return the PROV statements of one entry: its generation, activity, agent and source."""
    facts, version = entry.facts, entry.header.version
    key, time = f"in:entry-{version}", entry.header.record_time.ToJsonString()
    kind = entry_type(facts)
    event: Any = getattr(facts, kind.name) if kind else pb.Facts()
    columns = row(entry)
    shown = {
        f"pp:{name}": columns[name]
        for name in ("version", "occurred", "basis", "form", "visibility", "id", "about")
        if columns[name]
    }
    hidden = {f"pp:{name}_withheld": True for name in withheld(entry)}
    type_ = _name(f"pp:{kind.title if kind else 'Entry'}")
    put("entity", key, {"prov:type": type_, **shown, **hidden})
    if facts.request_id:
        request = f"in:request-{quote(facts.request_id, safe='')}"
        begun = once("activity", request, {"prov:startTime": time, "prov:endTime": time})
        said = {"prov:entity": key, "prov:activity": request, "prov:time": time}
        put("wasGeneratedBy", f"_:g{version}", said)
        if begun and facts.recorded_by:
            recorder = f"in:principal-{quote(facts.recorded_by, safe='')}"
            once("agent", recorder, {"pp:principal": facts.recorded_by})
            said = {"prov:activity": request, "prov:agent": recorder}
            put("wasAssociatedWith", f"_:a{version}", said)
    if facts.HasField("participant_joined"):
        joined = facts.participant_joined
        agent = f"in:participants/{joined.participant_id}"
        once("agent", agent, {"prov:type": _name(_KINDS.get(joined.kind, "prov:Organization"))})
        for number, other in enumerate(joined.represents):
            said = {"prov:delegate": agent, "prov:responsible": f"in:participants/{other}"}
            put("actedOnBehalfOf", f"_:b{version}-{number}", said)
    for number, one in enumerate(str(columns["by"]).split()):
        said = {"prov:entity": key, "prov:agent": f"in:participants/{one}"}
        put("wasAttributedTo", f"_:t{version}-{number}", said)
    for number, source in enumerate(entry.words.sources):
        origin = f"in:source-{quote(source.id, safe='')}-{version}"
        put("entity", origin, {"prov:label": source.title, "pp:uri": source.uri})
        _derive(put, f"_:s{version}-{number}", key, origin, "prov:PrimarySource")
    if kind is not None and kind.name == "entry_corrected":
        _derive(put, f"_:c{version}", key, f"in:entry-{event.target_version}", "prov:Revision")
    if kind is not None and kind.name == "entry_redacted":
        target = f"in:entry-{event.target_version}"
        put("wasInvalidatedBy", f"_:i{version}", {"prov:entity": target, "prov:time": time})


def _derive(put: _Put, key: str, made: str, used: str, kind: str) -> None:
    said = {"prov:generatedEntity": made, "prov:usedEntity": used, "prov:type": _name(kind)}
    put("wasDerivedFrom", key, said)


def _name(name: str) -> dict[str, str]:
    return {"$": name, "type": "prov:QUALIFIED_NAME"}
