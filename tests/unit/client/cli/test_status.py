"""A standing as it is shown."""

from pourparler import v1 as pb
from pourparler.cli.output.status import status_report
from pourparler.cli.output.wording import Names
from pourparler.schema import edtf
from pourparler.state.status import status_report as standing_of
from tests.support import sample_entries
from tests.support.terminal_capture import in_pipe, in_terminal

PARTIES = (sample_entries.opened(), sample_entries.joined("acme"), sample_entries.joined("bolt"))


def shown(*drafts: pb.Draft, on: str = "2026-03-01") -> str:
    state = sample_entries.state_of(*PARTIES, *drafts)
    answer = standing_of(state, edtf.bounds(on), on)
    return in_pipe(lambda page: status_report(page, answer, Names(state.participants)))


def rows(page: str, question: str) -> list[str]:
    """The lines under a question, their columns apart by single blanks."""
    after = page.partition(question)[2].lstrip("\n")
    return [" ".join(line.split()) for line in after.partition("\n\n")[0].splitlines()]


def test_every_question_is_answered_even_by_nothing() -> None:
    assert shown() == (
        "The negotiation is open. Due dates and ages are computed on 2026-03-01.\n"
        "\n"
        "What is agreed, and what is not?\n"
        "Nothing is agreed.\n"
        "Nothing on the table is left unsettled.\n"
        "\n"
        "What is proposed and undecided?\n"
        "Nothing is proposed and undecided.\n"
        "\n"
        "Who must answer?\n"
        "No one must answer.\n"
        "\n"
        "Who owes what by when, and what is expected?\n"
        "No one owes anything.\n"
        "Nothing is expected.\n"
        "\n"
        "Which questions are open?\n"
        "No question is open.\n"
    )


def test_an_open_proposal_shows_its_lineage_its_age_and_whom_it_waits_for() -> None:
    second = pb.ProposalMade(
        proposal_id="second",
        by=["acme"],
        to=["bolt"],
        supersedes="first",
        binding=pb.PROPOSAL_BINDING_BINDING,
    )

    page = shown(
        sample_entries.offered("first", ["acme"], ["bolt"]),
        sample_entries.draft(second, occurred="2026-02-01"),
    )

    assert rows(page, "What is proposed and undecided?") == [
        "ID VERSIONS WAITS FOR AGE BASIS EXPIRY WHAT DETAILS",
        (
            "second #5 Bolt for 28 days direct does not expire Acme to Bolt: an offer"
            " binding; replaces first; goes back over first"
        ),
    ]
    assert rows(page, "Who must answer?") == ["WHO PROPOSALS QUESTIONS", "Bolt second -"]


def test_what_is_owed_and_overdue_stands_out() -> None:
    owed = pb.CommitmentMade(
        commitment_id="c",
        debtors=["acme"],
        creditors=["bolt"],
        due=sample_entries.date("[..2026-01-31]"),
    )

    page = shown(sample_entries.draft(owed, pb.Words(text="Pay")))

    assert rows(page, "Nothing is expected.") == [
        "Owed (1)",
        "ID VERSIONS WHEN DUE BASIS STATUS WHAT DETAILS",
        (
            "c #4 no later than 2026-01-31 OVERDUE direct active Acme to Bolt, summary: Pay"
            " due no later than 2026-01-31"
        ),
    ]


def test_what_is_only_planned_open_endedly_is_perhaps_due() -> None:
    plan = pb.MilestonePlanned(
        milestone_id="m",
        certainty=pb.CERTAINTY_PLANNED,
        expected=sample_entries.date("[2022-10-10..]"),
    )

    page = shown(sample_entries.draft(plan, pb.Words(title="A word")))

    assert "m #4 from 2022-10-10, open perhaps due direct planned A word" in " ".join(page.split())


def test_what_is_agreed_is_told_from_what_waits_for_approval() -> None:
    agreed = [
        pb.AgreementRecorded(
            agreement_id=status,
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_DEFINITIVE,
            between=["acme", "bolt"],
            status=pb.AgreementStatus.Value(f"AGREEMENT_STATUS_{status.upper()}"),
        )
        for status in ("in_force", "pending_approval")
    ]

    page = shown(*(sample_entries.draft(one) for one in agreed))

    assert rows(page, "What is agreed, and what is not?")[0] == "Agreed (1)"
    assert rows(page, "Agreed (1)")[1].startswith("agreement in_force in force direct #4")
    assert rows(page, "Not agreed (1)")[1].startswith("agreement pending_approval pending approval")


def test_an_open_question_shows_for_whom_it_is_and_how_it_is_known() -> None:
    question = pb.QuestionRaised(question_id="q", addressed_to=["acme"])

    page = shown(
        sample_entries.draft(question, pb.Words(text="Who pays?"), basis=sample_entries.ANALYSIS)
    )

    assert rows(page, "Which questions are open?")[1] == (
        "q #4 analysis, unconfirmed summary: Who pays? for Acme"
    )
    assert "analysis: an inference, said by no one; not confirmed." in page


def test_it_fits_a_narrow_terminal() -> None:
    state = sample_entries.state_of(
        *PARTIES, sample_entries.offered("o", ["acme"], ["bolt"]), sample_entries.topic()
    )
    answer = standing_of(state, edtf.bounds("2026-03-01"), "2026-03-01")

    page = in_terminal(lambda page: status_report(page, answer, Names(state.participants)))

    assert max(map(len, page.splitlines())) <= 80
    assert "No one owes anything." in page
