"""The statements that answer a question to the search index."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from pourparler import v1 as pb
from pourparler_service.search.index import BEST_RANK, IndexQuery
from pourparler_service.search.query import Phrase

_LAST = "\U0010ffff"

_MATCHING = (
    "SELECT rowid FROM main.words WHERE words MATCH {0}"
    " UNION ALL SELECT rowid FROM concealed.words WHERE words MATCH {0}"
)
_WEIGHTS = (
    "SELECT doc, CASE col WHEN 'heading' THEN 4 WHEN 'said' THEN 2 ELSE 1 END"
    " FROM temp.{table} WHERE {terms}"
)
_CORRECTED = """EXISTS (
    SELECT 1 FROM correction WHERE correction.negotiation = entry.negotiation
        AND correction.target = ifnull(nullif(entry.replaces, 0), entry.version))"""
# The share of an entry that was asked for; a word weighs more in some places than in others.
_RANK = f"CAST({float(BEST_RANK)} * weight / (weight + 2.0 + 0.05 * entry.length) AS INTEGER)"
_THROUGH = """(
    SELECT group_concat(version) FROM (
        SELECT entry.version AS version FROM named
        WHERE named.position = entry.position AND named.kind = :topic_kind
            AND named.id IN (SELECT value FROM json_each(:topics))
        UNION
        SELECT brought.version FROM named JOIN brought
            ON brought.negotiation = entry.negotiation
            AND brought.kind = named.kind AND brought.id = named.id
        WHERE named.position = entry.position AND brought.position <= :upto
            AND brought.topic IN (SELECT value FROM json_each(:topics))
    )
)"""
_OF_KIND = """EXISTS (
    SELECT 1 FROM named WHERE named.position = entry.position AND named.kind = {kind}
        AND named.id IN (SELECT value FROM json_each({ids})))"""


class Statement(NamedTuple):
    """A statement or a part of one, and its values."""

    text: str
    values: dict[str, Any]


def ranked(asked: IndexQuery, upto: int, *, after: tuple[int, int] | None, most: int) -> Statement:
    """Return the statement for SearchIndex.ranked."""
    weights, weight_values = _weights(asked.wanted.phrases)
    where, values = _where(asked, upto)
    beyond = ""
    if after is not None:
        beyond = f" AND ((rank, entry.position) < (:after_rank, :after) OR {_CORRECTED})"
        values["after_rank"], values["after"] = after
    # Entries that do not match are left out before the rest is weighed. The columns of a hit are
    # looked up for the best ones alone.
    text = (
        f"WITH told (position, weight) AS ({weights}),"
        " weighed (position, weight) AS"
        " (SELECT position, SUM(weight) FROM told"
        f" WHERE position IN ({_MATCHING.format(':match')}) GROUP BY position),"
        " best (position, rank) AS"
        f" (SELECT entry.position, {_RANK} AS rank"
        " FROM weighed CROSS JOIN entry ON entry.position = weighed.position"
        f" WHERE {where}{beyond} ORDER BY rank DESC, entry.position DESC LIMIT :most)"
        " SELECT entry.position, negotiation.id, entry.version, best.rank, entry.replaces,"
        f" {_THROUGH if asked.topics else 'NULL'}"
        " FROM best CROSS JOIN entry ON entry.position = best.position"
        " JOIN negotiation ON negotiation.number = entry.negotiation"
        " ORDER BY best.rank DESC, best.position DESC"
    )
    values |= {**weight_values, "match": _all_of(asked.wanted.phrases), "most": most}
    return Statement(text, values)


def listed(
    asked: IndexQuery, upto: int, *, after: int | None, most: int, newest: bool
) -> Statement:
    """Return the statement for SearchIndex.listed."""
    where, values = _where(asked, upto)
    if asked.wanted.phrases:
        where += f" AND entry.position IN ({_MATCHING.format(':match')})"
        values["match"] = _all_of(asked.wanted.phrases)
    beyond = "" if after is None else f" AND entry.position {'<' if newest else '>'} :after"
    text = (
        "SELECT entry.position, negotiation.id, entry.version, 0, entry.replaces,"
        f" {_THROUGH if asked.topics else 'NULL'}"
        " FROM entry JOIN negotiation ON negotiation.number = entry.negotiation"
        f" WHERE {where}{beyond}"
        f" ORDER BY entry.position {'DESC' if newest else ''} LIMIT :most"
    )
    return Statement(text, {**values, "after": after, "most": most})


def _where(asked: IndexQuery, upto: int) -> Statement:
    """Return the terms of all filters but the phrases that an entry contains."""
    values: dict[str, Any] = {"upto": upto}
    terms = ["entry.position <= :upto"]

    def is_among(name: str, chosen: Collection[Any], term: str) -> None:
        if chosen:
            terms.append(term.format(f"(SELECT value FROM json_each(:{name}))"))
            values[name] = json.dumps(list(chosen))

    if asked.wanted.excluded:
        terms.append(f"entry.position NOT IN ({_MATCHING.format(':exclude')})")
        values["exclude"] = " OR ".join(map(_matching, asked.wanted.excluded))
    if asked.negotiations is not None:
        terms.append(
            "entry.negotiation IN (SELECT number FROM negotiation"
            " WHERE id IN (SELECT value FROM json_each(:negotiations)))"
        )
        values["negotiations"] = json.dumps(list(asked.negotiations))
    is_among("types", asked.types, "(entry.type IN {0} OR entry.puts IN {0})")
    is_among("bases", asked.bases, "entry.basis IN {0}")
    for name, kind, ids in (
        ("speakers", 0, asked.speakers),
        ("participants", int(pb.PART_KIND_PARTICIPANT), asked.participants),
    ):
        if ids:
            terms.append(_OF_KIND.format(kind=kind, ids=f":{name}"))
            values[name] = json.dumps(list(ids))
    if asked.topics:
        terms.append(f"{_THROUGH} IS NOT NULL")
        values["topics"] = json.dumps(list(asked.topics))
        values["topic_kind"] = int(pb.PART_KIND_TOPIC)
    for name, term in (
        ("record_start_time", "entry.recorded >= :record_start_time"),
        ("record_end_time", "entry.recorded < :record_end_time"),
        ("begin", "entry.begin >= :begin" if asked.surely else "ifnull(entry.end >= :begin, 1)"),
        ("end", "entry.end <= :end" if asked.surely else "ifnull(entry.begin <= :end, 1)"),
    ):
        if (value := getattr(asked, name)) is not None:
            terms.append(term)
            values[name] = value
    return Statement(" AND ".join(terms), values)


def _all_of(phrases: Sequence[Phrase]) -> str:
    """Return the FTS5 query for entries that contain all phrases."""
    return " AND ".join(map(_matching, phrases))


def _matching(phrase: Phrase) -> str:
    """Return the FTS5 query for a phrase.

    Nothing between quotes has a meaning of its own, and normalized words contain no quotes.
    """
    return f'("{" ".join(phrase.words)}"{" *" if phrase.prefix else ""})'


def _weights(phrases: Sequence[Phrase]) -> Statement:
    """Return the places of the longest word of each phrase, with their weights."""
    parts, values = [], {}
    for number, phrase in enumerate(phrases):
        word = max(phrase.words, key=len)
        terms = f"term = :word{number}"
        values[f"word{number}"] = word
        if phrase.prefix and word == phrase.words[-1]:
            terms = f"term >= :word{number} AND term < :beyond{number}"
            values[f"beyond{number}"] = word + _LAST
        parts += [
            _WEIGHTS.format(table=one, terms=terms) for one in ("clear_words", "concealed_words")
        ]
    return Statement(" UNION ALL ".join(parts), values)
