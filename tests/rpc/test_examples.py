"""The parts of CaSiNo and of the games of Diplomacy through a running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.casino import convert as dialogues
from examples.casino import verify as casino
from examples.casino.points import points
from examples.diplomacy import verify as diplomacy
from pourparler import Client
from pourparler_service.server import running

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(name="address", scope="module")
def _address() -> Iterator[str]:
    with running() as address:
        yield address


def test_every_dialogue_comes_back_and_scores_what_was_scored(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert casino.verify(DATA / "casino", address)

    said = capsys.readouterr().out
    assert "points equal:  8 of 8 dialogues" in said
    assert "turns equal:   8 of 8 dialogues" in said


def test_every_game_comes_back_with_its_order_times_and_audiences(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert diplomacy.verify(DATA / "diplomacy", address)

    said = capsys.readouterr().out
    assert said.count("2 of 2 games") == 4
    assert "statements: 102" in said


def test_verifying_again_imports_nothing_twice(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert casino.verify(DATA / "casino", address)
    first = _entries(capsys)

    assert casino.verify(DATA / "casino", address)

    assert _entries(capsys) == first


def _entries(capsys: pytest.CaptureFixture[str]) -> str:
    said = capsys.readouterr().out.splitlines()
    return next(line for line in said if line.startswith("entries:"))


def test_the_points_can_be_had_from_the_state_that_the_service_gives(address: str) -> None:
    assert casino.verify(DATA / "casino", address)

    with Client(address) as client:
        for dialogue in dialogues.dialogues(DATA / "casino"):
            state = client.get_negotiation(dialogues.name(dialogue)).negotiation
            assert points(state) == {
                camper: about["outcomes"]["points_scored"]
                for camper, about in dialogue["participant_info"].items()
            }


def test_other_points_than_those_scored_are_told(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = (DATA / "casino" / "casino_part.json").read_text(encoding="utf-8")
    (tmp_path / "casino_part.json").write_text(
        told.replace('"points_scored": 5', '"points_scored": 6'), encoding="utf-8"
    )

    assert not casino.verify(tmp_path, address)

    assert "points equal:  5 of 8 dialogues" in capsys.readouterr().out


def test_a_folder_without_data_verifies_nothing(address: str, tmp_path: Path) -> None:
    assert not casino.verify(tmp_path, address)
    assert not diplomacy.verify(tmp_path, address)


def test_another_dialogue_under_a_number_that_is_taken_is_refused(
    address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert casino.verify(DATA / "casino", address)
    told = (DATA / "casino" / "casino_part.json").read_text(encoding="utf-8")
    (tmp_path / "casino_part.json").write_text(
        told.replace("Water is very important to me.", "Water is nothing to me."), encoding="utf-8"
    )

    with pytest.raises(SystemExit) as ended:
        casino.verify(tmp_path, address)

    assert ended.value.code == 1
    assert "ID_ALREADY_USED" in capsys.readouterr().err
