"""Every lie that a server can tell is found, and called by its name."""

from collections.abc import Iterator

import pytest

from pourparler.transparency.auditor import Auditor
from pourparler.transparency.findings import Audit, Verdict
from tests.support.bundles import audited as verified
from tests.support.malicious_server import (
    ABOUT_CHECKPOINT,
    ABOUT_RECORDS,
    ABOUT_STATE,
    ABOUT_THE_PAST,
    AMENDED,
    EARLIER,
    KEY,
    OTHERS,
    SIGNED_FOR,
    SIZE,
    TALKS,
    Expected,
    Lie,
    Malicious,
    Told,
    a_late_word_is_changed_and_signed_for,
    bundled,
    malicious,
)
from tests.support.malicious_server import each_of as each

IN_A_FILE = {**ABOUT_RECORDS, **ABOUT_CHECKPOINT, **SIGNED_FOR}
AT_ONCE = {**IN_A_FILE, **ABOUT_STATE}
KEYS = [KEY.verifier_key]


@pytest.fixture(name="liar", scope="module")
def _liar() -> Iterator[Malicious]:
    with malicious() as liar:
        yield liar


@pytest.fixture(name="about", params=[TALKS, AMENDED])
def _about(request: pytest.FixtureRequest) -> str:
    about: str = request.param
    return about


def audited(about: str, told: Told, since: str | None = None) -> Audit:
    auditor = Auditor(about, KEYS, base_checkpoint=since)
    auditor.add_all(lambda: told.records)
    return auditor.finish(told.checkpoint, state=told.state)


def expect(audit: Audit, expected: Expected) -> None:
    assert audit.verdict is expected.verdict, audit.findings
    found = {(one.name, one.version, one.part) for one in audit.findings}
    assert (expected.name, expected.version, expected.part) in found


def test_the_truth_is_sound(liar: Malicious, about: str) -> None:
    told = liar.truth(about)

    audit = audited(about, told, since=liar.truth(about, EARLIER).checkpoint)

    assert (audit.verdict, audit.findings) == (Verdict.SOUND, ())
    assert audit.size == SIZE
    assert audit.state == told.state


def test_the_truth_is_sound_in_a_bundle(liar: Malicious, about: str) -> None:
    assert verified(bundled(about, liar.truth(about)), KEYS).verdict is Verdict.SOUND


@each(AT_ONCE)
def test_the_auditor_finds(liar: Malicious, about: str, lie: Lie, expected: Expected) -> None:
    expect(audited(about, lie(liar.truth(about))), expected)


@each(IN_A_FILE)
def test_both_verifiers_of_a_bundle_find(
    liar: Malicious, about: str, lie: Lie, expected: Expected
) -> None:
    expect(verified(bundled(about, lie(liar.truth(about))), KEYS), expected)


@each(ABOUT_THE_PAST)
def test_whoever_was_here_before_finds(
    liar: Malicious, about: str, lie: Lie, expected: Expected
) -> None:
    earlier = liar.truth(about, EARLIER).checkpoint

    told = lie(liar.truth(about))

    expect(audited(about, told, earlier), expected)
    assert audited(about, told).verdict is Verdict.SOUND  # nobody else can
    assert verified(bundled(about, told), KEYS).verdict is Verdict.SOUND


def test_two_callers_with_two_histories_find_it_when_they_compare(
    liar: Malicious, about: str
) -> None:
    one = liar.truth(about)
    other = a_late_word_is_changed_and_signed_for(one)
    earlier = liar.truth(about, EARLIER).checkpoint
    assert audited(about, one, earlier).verdict is Verdict.SOUND
    assert audited(about, other, earlier).verdict is Verdict.SOUND

    forked = Expected(Verdict.MANIPULATED, "forked")

    expect(audited(about, one, other.checkpoint), forked)
    expect(audited(about, other, one.checkpoint), forked)


def test_the_record_of_another_negotiation_is_not_taken_for_this_one(liar: Malicious) -> None:
    audit = audited(TALKS, liar.truth(OTHERS))

    expect(audit, Expected(Verdict.MANIPULATED, "another origin"))
    expect(audit, Expected(Verdict.MANIPULATED, "another negotiation", 1))


def test_a_bundle_of_another_negotiation_is_not_taken_for_this_one(liar: Malicious) -> None:
    audit = verified(bundled(TALKS, liar.truth(OTHERS)), KEYS)

    expect(audit, Expected(Verdict.MANIPULATED, "another origin"))
    expect(audit, Expected(Verdict.MANIPULATED, "another negotiation", 1))


def test_a_second_reading_that_differs_from_the_first_is_found(liar: Malicious) -> None:
    told = liar.truth(AMENDED)
    other = a_late_word_is_changed_and_signed_for(told)
    readings = iter([told.records, other.records])
    auditor = Auditor(AMENDED, KEYS)

    auditor.add_all(lambda: next(readings))

    expect(auditor.finish(told.checkpoint), Expected(Verdict.MANIPULATED, "read differently"))


def test_a_second_reading_that_is_shorter_is_found(liar: Malicious) -> None:
    told = liar.truth(AMENDED)
    readings = iter([told.records, told.records[:-1]])
    auditor = Auditor(AMENDED, KEYS)

    auditor.add_all(lambda: next(readings))

    expect(auditor.finish(told.checkpoint), Expected(Verdict.MANIPULATED, "read differently"))
