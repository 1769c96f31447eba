"""An entry, and a part of the state, told in full: what it says, how it is known, what it made.

Pure.
"""

from collections.abc import Iterable, Iterator

from rich.style import Style
from rich.text import Text

from pourparler import v1 as pb
from pourparler.cli.browse.outline import NUMBER, sign, tone
from pourparler.cli.browse.record_model import Part, RecordAtVersion, brought
from pourparler.cli.browse.text_layout import IndentedText
from pourparler.cli.output import colors, part_descriptions, wording
from pourparler.cli.output import state as state_page
from pourparler.cli.output.entry_descriptions import describe, type_name
from pourparler.cli.output.page import safe
from pourparler.cli.output.part_summaries import PartSummary, summarize
from pourparler.cli.terminal_escape import escaped
from pourparler.schema.contract import entry_type

_LABEL = 11
_MOST_ENTRIES = 12


def entry(shown: RecordAtVersion, version: int) -> Iterator[IndentedText]:
    """Yield an entry in full, as it was recorded, and its later amendments."""
    found = shown.entry(version)
    if found is None:
        yield IndentedText(Text(f"#{version} is not among the entries that are shown.", "dim"))
        return
    kind = entry_type(found.facts)
    title = type_name(found.facts)
    yield IndentedText(Text.assemble((f"#{version} ", f"bold {NUMBER}"), (title, "bold")))
    note = shown.state.amendments.get(version)
    if note is not None:
        yield IndentedText(
            Text(state_page.amended(shown.state.amendments, version), f"bold {colors.DOUBTFUL}")
        )
    yield _gap()
    if kind is None:
        yield IndentedText(
            Text("Its facts and words are withheld; its place, time and digests are not.")
        )
    else:
        yield from _content(shown, found, erased_by=note.redacted_by if note is not None else 0)
    yield _gap()
    yield from _known(shown, found)


def part(shown: RecordAtVersion, which: Part) -> Iterator[IndentedText]:
    """Yield a part as of this state, and the entries that set it, in full."""
    kind, key = which
    found = shown.part(which)
    if found is None:
        yield IndentedText(Text(f"There is no {kind[:-1]} {escaped(key)} at this version.", "dim"))
        return
    told_of = summarize(kind, key, found, shown.state, shown.names)
    yield IndentedText(
        Text.assemble(
            (f"{kind[:-1]} {escaped(key)}", "bold"),
            ": ",
            (escaped(told_of.status), f"bold {tone(told_of.status)}"),
        )
    )
    if told_of.amended:
        yield IndentedText(Text(told_of.amended, f"bold {colors.DOUBTFUL}"))
    if len(told_of.blame) > 1:
        yield _gap()
        yield from _said(told_of)
        for reply in told_of.replies:
            yield _field("answer", linked(reply))
        yield _gap()
        yield _field("since", linked(told_of.since))
        yield _field("made by", linked(wording.versions(told_of.blame)))
    last = told_of.blame[-_MOST_ENTRIES:]
    if len(told_of.blame) > len(last):
        left = wording.count(len(told_of.blame) - len(last), "earlier entry", "earlier entries")
        yield IndentedText(Text(f"{left} had a hand in it, too.", "dim"))
    for version in last:
        yield _gap()
        if len(told_of.blame) > 1:
            yield IndentedText(Text("─" * 24, "dim"))
        yield from entry(shown, version)


def _content(shown: RecordAtVersion, found: pb.Entry, *, erased_by: int) -> Iterator[IndentedText]:
    """Yield the content of an entry. An entry that introduces a part shows that part alone."""
    bringing = brought(found)
    if bringing is not None:
        (kind, key), one = bringing
        told_of = summarize(kind, key, one, pb.Negotiation(), shown.names)
        yield from _said(told_of, erased_by=erased_by)
    elif found.facts.HasField("entry_corrected"):
        yield from _correction(shown, found)
    else:
        yield IndentedText(linked(describe(found, shown.names)))


def _correction(shown: RecordAtVersion, found: pb.Entry) -> Iterator[IndentedText]:
    event = found.facts.entry_corrected
    was = shown.entry(event.target_version)
    yield _field("corrects", linked(f"#{event.target_version}"))
    yield _field("because", Text(escaped(found.words.correction_reason, lines=True)))
    yield _field("", Text(wording.CORRECTIONS.get(event.kind, ""), "dim"))
    if was is not None:
        said = safe(describe(was, shown.names))
        said.stylize("strike dim")
        yield _field("was", said)
    if event.mode == pb.CORRECTION_MODE_ANNUL:
        yield _field("now", Text("it counts as never made"))
        return
    counts = pb.Entry(header=found.header, facts=event.replacement, words=found.words)
    yield _field("now", safe(describe(counts, shown.names)))


def _said(told_of: PartSummary, *, erased_by: int = 0) -> Iterator[IndentedText]:
    """Yield the speaker and the text. Only a verbatim text looks like a quotation."""
    if told_of.who:
        yield IndentedText(Text(escaped(told_of.who), "bold"))
    gone = f"words erased by #{erased_by}" if erased_by else told_of.gone
    if gone:
        yield IndentedText(Text(f"({gone})", "dim italic"))
    elif told_of.form == "verbatim" and told_of.text:
        bar = Text("┃ ", f"bold {colors.GOOD}")
        yield IndentedText(Text(f"“{escaped(told_of.text, lines=True)}”", "bold"), bar, bar)
    elif told_of.form and told_of.text:
        bar = Text("┊ ", "dim")
        yield IndentedText(Text(f"{told_of.form}, not their words:", "dim"), bar, bar)
        yield IndentedText(Text(escaped(told_of.text, lines=True), "italic"), bar, bar)
    elif told_of.text:
        yield IndentedText(Text(escaped(told_of.text, lines=True), "bold"))
    for term in told_of.terms:
        yield IndentedText(Text(escaped(term)), Text("• "))
    if told_of.details:
        yield IndentedText(Text(escaped(told_of.details, lines=True)))


def _known(shown: RecordAtVersion, found: pb.Entry) -> Iterator[IndentedText]:
    """How an entry is known, when it was, what it made, who recorded it, who may see it."""
    facts, words = found.facts, found.words
    provenance = facts.provenance
    date = facts.occurred
    yield _field("occurred", Text(wording.when(date, words.occurred_verbatim)))
    if date.WhichOneof("date") == "edtf" and date.earliest != date.latest:
        earliest, latest = escaped(date.earliest) or "open", escaped(date.latest) or "open"
        yield _field("", Text(f"between {earliest} and {latest}", "dim"))
    if provenance.basis:
        meaning = wording.BASES.get(provenance.basis, ("", ""))[1]
        yield _field(
            "basis",
            Text.assemble(
                sign(provenance), " ", part_descriptions.known(provenance), (f": {meaning}", "dim")
            ),
        )
    yield _field("form", Text(wording.word(provenance, "form")))
    yield _field("author", Text(escaped(words.author)))
    for source in words.sources:
        yield from _source(source)
    for version in _speaking_of(facts):
        yield _field("about", linked(f"#{version}"))
    made = [
        Text.assemble(f"{kind[:-1]} {escaped(key)}: ", _status(shown, (kind, key)))
        for kind, key in shown.made.get(found.header.version, ())
    ]
    for number, one in enumerate(made):
        yield _field("" if number else "made", one)
    yield _field("session", Text(escaped(facts.session_id)))
    if facts.HasField("visibility"):
        yield _field("seen by", Text(_seen_by(facts.visibility, shown)))
    by = f" by {escaped(facts.recorded_by)}" if facts.recorded_by else ""
    yield _field("recorded", Text(f"{wording.moment(found.header.record_time)}{by}", "dim"))


def _status(shown: RecordAtVersion, which: Part) -> Text:
    said = str(part_descriptions.status(shown.part(which), shown.names))
    return Text(said, tone(said))


def _speaking_of(facts: pb.Facts) -> Iterable[int]:
    kind = facts.WhichOneof("event")
    target = getattr(getattr(facts, kind), "target_version", 0) if kind else 0
    return [target] if target and kind != "entry_corrected" else []


def _seen_by(visibility: pb.Visibility, shown: RecordAtVersion) -> str:
    if visibility.level == pb.VISIBILITY_LEVEL_PUBLIC:
        return "everyone"
    if visibility.level == pb.VISIBILITY_LEVEL_PARTIES:
        return "the participants"
    return wording.seen_by(visibility, shown.names).removeprefix("seen ").removeprefix("by ")


def _source(source: pb.Source) -> Iterator[IndentedText]:
    shown = pb.Source()
    shown.CopyFrom(source)
    shown.ClearField("uri")
    kind = wording.word(source, "kind")
    said = wording.source(shown) or escaped(source.id)
    yield _field("source", Text(f"{said} ({kind})" if kind else said))
    yield _field("", Text(escaped(source.uri), "underline"))
    if source.excerpt:
        bar = Text.assemble(" " * _LABEL, ("│ ", "dim"))
        yield IndentedText(Text(f"“{escaped(source.excerpt, lines=True)}”"), bar, bar)


def _field(label: str, value: Text) -> IndentedText:
    return IndentedText(value, Text(label.ljust(_LABEL), "dim"))


def _gap() -> IndentedText:
    return IndentedText(Text(" "))


def linked(said: str) -> Text:
    """Return a text in which each version is a link to its entry."""
    text = safe(said)
    text.highlight_regex(r"#\d{1,18}\b", NUMBER)
    for span in list(text.spans):
        number = text.plain[span.start + 1 : span.end]
        if number.isdigit():
            link = Style(meta={"@click": f"screen.go({number})"})
            text.stylize(link, span.start, span.end)
    return text
