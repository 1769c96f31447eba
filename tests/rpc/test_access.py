"""Rivals over one record, by real calls: each with a token of its own."""

import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from examples.diplomacy import convert, powers
from examples.diplomacy.verify import verify_callers
from pourparler import (
    AlreadyExistsError,
    Client,
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    Verdict,
    answer,
    correction,
    grant_access,
    participant,
    proposal,
    revoke_access,
    statement,
    topic,
    v1,
)
from pourparler.transparency.bundle import verify
from pourparler_service.authentication.jwks import Issuer
from pourparler_service.authorization.policy import Policy
from pourparler_service.config.settings import Settings, Tls
from pourparler_service.server import running
from pourparler_service.transparency.signing_keys import Signer, write_key
from tests.support.bundles import bundle, sealed
from tests.support.certificates import Authority
from tests.support.draft_replay import drafts
from tests.support.sample_entries import history, joined, opened
from tests.support.sample_entries import said as stated
from tests.support.signing_keys import KEY as SIGNING
from tests.support.token_issuer import AUDIENCE, ISSUER, Address, Key

KEY = Key()
GAMES = Path(__file__).parents[1] / "data" / "diplomacy"
CONFIDED = "Our limit is nine thousand."

Make = Callable[..., Client]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A client of whoever is named, of a service that tells its callers apart."""
    folder = tmp_path_factory.mktemp("service")
    authority, key = Authority(folder), folder / "signing.key"
    write_key(SIGNING, key)
    with Address(KEY).served() as keys:
        settings = Settings(
            address="127.0.0.1:0",
            tls=Tls(*authority.signs("service")),
            oidc=(Issuer(ISSUER, AUDIENCE, keys.url, refresh_seconds=100_000),),
            signing_keys=(key,),
            access=Policy(auditors=[who("watchdog")], public=[who("reader")]),
        )
        with running(settings) as address:

            def make(name: str) -> Client:
                return Client(
                    address, root_certificates=authority.file, token=KEY.token(sub=name), timeout=5
                )

            yield make


def who(name: str) -> str:
    """Somebody, as the record names them."""
    return f"{ISSUER}#{name}"


@pytest.fixture(name="name")
def _name(client: Make) -> str:
    """Kim keeps the record; Ann is for the harbour, Bob for the freight company, Mia mediates."""
    with client("kim") as kim:
        name = kim.open_negotiation(
            "Lease of a crane",
            participant("harbour", "Harbour Authority"),
            participant("freight", "Northern Freight"),
            topic("Rent", id="rent", visibility="public"),
            grant_access(who("ann"), "party", participant="harbour"),
            grant_access(who("bob"), "party", participant="freight"),
            grant_access(who("mia"), "mediator"),
            visibility="public",
        ).negotiation
    with client("ann") as ann:
        ann.record(name, statement(CONFIDED, id="limit", by="harbour", visibility=["harbour"]))
        ann.record(name, proposal("Nine.", id="offer", by="harbour", to="freight", about="rent"))
    return name


def said(client: Client, name: str, **more: Any) -> list[str]:
    return [one.words.text for one in client.replay(name, entry_types="statement_recorded", **more)]


def test_each_reads_and_records_what_is_theirs(client: Make, name: str) -> None:
    with client("bob") as bob, client("ann") as ann, client("kim") as kim:
        assert bob.record(name, answer("offer", "accept", by="freight")).version == 10
        assert said(bob, name) == []
        assert said(ann, name) == [CONFIDED]
        assert said(kim, name, viewer_participant_id="harbour") == [CONFIDED]
        assert said(kim, name, viewer_participant_id="freight") == []
        state = bob.get_negotiation(name).negotiation
        assert (state.counts.statements, state.version) == (0, 10)
        assert not state.principals[who("ann")].grants
        assert [one.name for one in bob.list_negotiations()] == [name, *_others(bob, name)]


def _others(client: Client, name: str) -> list[str]:
    return [one.name for one in client.list_negotiations() if one.name != name]


def test_over_all_too_the_view_of_another_one_can_be_asked_for(client: Make, name: str) -> None:
    with client("kim") as kim, client("mia") as mia, client("bob") as bob:
        for who_sees, wanted in (("harbour", [CONFIDED]), ("freight", [])):
            assert said(kim, name, viewer_participant_id=who_sees) == wanted
            of_all = kim.replay(
                "-", entry_types="statement_recorded", viewer_participant_id=who_sees
            )
            here = [one for one in of_all if f"negotiations/{one.header.negotiation}" == name]
            assert [one.words.text for one in here] == wanted
            assert name in [
                one.name for one in kim.list_negotiations(viewer_participant_id=who_sees)
            ]
        assert name in [one.name for one in mia.list_negotiations(viewer_participant_id="harbour")]
        assert list(bob.list_negotiations(viewer_participant_id="harbour")) == []
        assert list(bob.replay("-", viewer_participant_id="harbour")) == []
        with kim.watch("-", viewer_participant_id="harbour") as watch:
            assert next(watch).header.version == 1


def test_who_may_not_is_told_so_or_nothing(client: Make, name: str) -> None:
    with client("bob") as bob, client("eve") as eve:
        with pytest.raises(PermissionDeniedError) as other:
            bob.record(name, statement("We give in.", by="harbour"))
        assert (other.value.reason, other.value.field) == (
            "ROLE_NOT_SUFFICIENT",
            "drafts[0].facts.statement_recorded.speakers[0]",
        )
        with pytest.raises(FailedPreconditionError) as taken:
            bob.record(name, statement("No.", id="limit", by="freight"))
        assert taken.value.reason == "HIDDEN_CONFLICT"
        for call in (
            lambda: eve.get_negotiation(name),
            lambda: eve.status_report(name),
            lambda: eve.diff(name),
            lambda: list(eve.replay(name)),
            lambda: list(eve.replay(name, reverse=True)),
            lambda: next(eve.watch(name)),
            lambda: eve.get_checkpoint(name),
            lambda: eve.export_bundle(name, io.BytesIO()),
            lambda: eve.record(name, statement("Hm.", by="harbour")),
        ):
            with pytest.raises(NotFoundError) as absent:
                call()
            assert absent.value.reason == "NEGOTIATION_NOT_FOUND"
        assert list(eve.list_negotiations()) == []


def test_who_takes_part_mends_their_own_words(client: Make, name: str) -> None:
    with client("ann") as ann, client("bob") as bob:
        said_so = ann.record(name, statement("Nein.", id="no", by="harbour")).entries[0]
        mended = v1.Draft(facts=said_so.facts, words=v1.Words(text="Nine."))
        slip = correction(said_so.header.version, "A slip of the pen.", replacement=mended)
        with pytest.raises(PermissionDeniedError) as other:
            bob.record(name, slip)
        ann.record(name, slip)

        assert other.value.reason == "ROLE_NOT_SUFFICIENT"
        assert bob.get_negotiation(name).negotiation.statements["no"].words.text == "Nine."
        assert said(bob, name) == ["Nein."]  # which stays as it was said


def test_what_is_public_is_for_those_whom_the_policy_names(client: Make, name: str) -> None:
    with client("reader") as reader, client("watchdog") as watchdog:
        assert list(reader.get_negotiation(name).negotiation.topics) == ["rent"]
        assert not reader.get_negotiation(name).negotiation.participants
        assert name in [one.name for one in reader.list_negotiations()]
        assert said(watchdog, name) == [CONFIDED]


def test_a_cut_record_verifies_and_says_that_it_is_one(
    client: Make, name: str, tmp_path: Path
) -> None:
    with client("bob") as bob:
        file = tmp_path / "cut.bundle"
        with file.open("wb") as bundle:
            bob.export_bundle(name, bundle)
        with file.open("rb") as bundle:
            offline = verify(bundle, Signer([SIGNING]).verifier_keys)
        audit = bob.audit(name, verifier_keys=Signer([SIGNING]).verifier_keys)

    assert CONFIDED.encode() not in file.read_bytes()
    assert offline.verdict is Verdict.PARTIAL
    assert audit.verdict is Verdict.PARTIAL


def test_what_another_one_sees_is_audited_and_exported_for_them(client: Make, name: str) -> None:
    keys = Signer([SIGNING]).verifier_keys

    def exported(caller: Client, **more: Any) -> bytes:
        with io.BytesIO() as file:
            caller.export_bundle(name, file, **more)
            return file.getvalue()

    with client("kim") as kim, client("mia") as mia, client("bob") as bob:
        whole = kim.audit(name, verifier_keys=keys)
        theirs = mia.audit(name, verifier_keys=keys, viewer_participant_id="freight")

        assert (whole.verdict, theirs.verdict) == (Verdict.SOUND, Verdict.PARTIAL)
        assert theirs.withheld == bob.audit(name, verifier_keys=keys).withheld
        assert exported(kim, viewer_participant_id="freight") == exported(bob)
        assert exported(kim, viewer_participant_id="harbour") != exported(bob)
        with pytest.raises(PermissionDeniedError):
            bob.audit(name, verifier_keys=keys, viewer_participant_id="harbour")


def test_each_of_seven_is_shown_by_every_read_what_is_theirs_alone(
    client: Make, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    names = {name: who(name) for name in (powers.KEEPER, *map(str.lower, convert.POWERS))}
    with client(powers.KEEPER) as keeper:
        for name, recorded in drafts(convert.lines(GAMES)).items():
            keeper.record(name, *recorded)

    with caplog.at_level(logging.DEBUG):
        assert verify_callers(GAMES, client, names)

    assert "each sees its own alone:      2 of 2 games" in capsys.readouterr().out
    for _, played in convert.games(GAMES):
        hidden = powers.game(played).hidden.values()
        assert not [one for words in hidden for one in words if one in caplog.text]


def test_of_who_has_a_copy_nothing_is_told_but_that_its_name_is_taken(client: Make) -> None:
    key = SIGNING

    def bundled(version: int) -> io.BytesIO:
        drafts = (opened(), joined("acme"), stated("one", "acme"), stated("two", "acme"))
        records = sealed(history(*drafts[:version]), "brought")
        return io.BytesIO(bundle(records, negotiation="brought"))

    with client("kim") as kim, client("eve") as eve:
        assert kim.import_bundle(bundled(3), verifier_keys=[key.verifier_key]).version == 3
        told = []
        for version in (2, 3, 4):
            with pytest.raises(AlreadyExistsError) as taken:
                eve.import_bundle(bundled(version), verifier_keys=[key.verifier_key])
            told.append(f"{taken.value} {taken.value.metadata}")
        assert len(set(told)) == 1
        assert key.name not in told[0]
        assert kim.import_bundle(bundled(4), verifier_keys=[key.verifier_key]).version == 4
        with pytest.raises(NotFoundError):
            eve.get_negotiation("brought")


def test_a_watch_ends_when_access_does(client: Make, name: str) -> None:
    with client("bob") as bob, client("kim") as kim:
        with bob.watch(name) as watch:
            seen = [next(watch) for _ in range(9)]
            kim.record(name, revoke_access(who("bob")))
            with pytest.raises(NotFoundError):
                list(watch)
        assert [one.header.version for one in seen if not one.HasField("facts")] == [5, 6, 7, 8]
        with pytest.raises(NotFoundError):
            bob.get_negotiation(name)
        kim.record(name, grant_access(who("bob"), "party", participant="freight"))
        assert bob.get_negotiation(name).negotiation.version == 11
