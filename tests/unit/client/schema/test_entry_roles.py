"""The roles of participants in an entry."""

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from pourparler import v1 as pb
from pourparler.formats.table import row
from pourparler.schema.contract import ENTRY_TYPES, rule_of
from pourparler.schema.entry_roles import entry_roles, principals
from tests.support.sample_entries import draft, recorded


def participant_fields(descriptor: Descriptor, seen: set[str]) -> list[FieldDescriptor]:
    """Return the fields of a message, and of the messages in it, that name participants."""
    found = []
    seen.add(descriptor.full_name)
    for field in descriptor.fields:
        rule = rule_of(field)
        if pb.PART_KIND_PARTICIPANT in {rule.refers_to, rule.introduces}:
            found.append(field)
        inner = field.message_type
        if (
            inner is not None
            and inner.full_name not in seen
            and inner.file.package == "pourparler.v1"
        ):
            found += participant_fields(inner, seen)
    return found


FIELDS = participant_fields(pb.Facts.DESCRIPTOR, set())


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: str(field.full_name))
def test_every_field_that_names_participants_has_a_role(field: FieldDescriptor) -> None:
    is_audience = field.full_name == "pourparler.v1.Visibility.audience"

    assert bool(rule_of(field).role) != is_audience


def test_fields_of_every_entry_type_are_tried() -> None:
    assert len(FIELDS) > len(ENTRY_TYPES)


def test_an_addressee_does_not_act() -> None:
    offer = draft(
        pb.ProposalMade(
            proposal_id="p",
            by=["union"],
            to=["company", "state"],
            on_behalf_of=["members"],
            binding=pb.PROPOSAL_BINDING_BINDING,
        )
    )

    roles, columns = entry_roles(offer.facts), row(recorded(1, offer))

    assert (roles.by, roles.to) == (("union",), ("company", "state"))
    assert roles.on_behalf_of == ("members",)
    assert [columns[name] for name in ("by", "to", "between", "on_behalf_of")] == [
        "union",
        "company state",
        "",
        "members",
    ]


def test_an_agreement_is_between_its_parties() -> None:
    deal = draft(
        pb.AgreementRecorded(
            agreement_id="d",
            origin=pb.AGREEMENT_ORIGIN_REACHED,
            kind=pb.AGREEMENT_KIND_DEFINITIVE,
            between=["a", "b"],
            status=pb.AGREEMENT_STATUS_IN_FORCE,
        )
    )

    assert entry_roles(deal.facts).between == ("a", "b")
    assert entry_roles(deal.facts).by == ()


def test_an_act_counts_for_its_principal() -> None:
    own = pb.ProposalAnswered(by="agent")
    for_another = pb.ProposalAnswered(by="agent", on_behalf_of=["firm"])

    assert (principals(own), principals(for_another)) == (["agent"], ["firm"])
