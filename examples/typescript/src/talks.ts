/** The negotiation of this example: the lease of a crane. */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { DraftSchema, type Draft, type WordsSchema } from "../stubs/pourparler/v1/entry_pb.js";
import {
  Certainty,
  ParticipantKind,
  ParticipantRole,
  StatementAct,
  type FactsSchema,
} from "../stubs/pourparler/v1/facts_pb.js";
import { Basis, Form } from "../stubs/pourparler/v1/values_pb.js";
import { fuzzy } from "./dates.js";

type Event = NonNullable<MessageInitShape<typeof FactsSchema>["event"]>;
type Words = MessageInitShape<typeof WordsSchema>;

function draft(event: Event, words: Words, occurred?: string): Draft {
  const provenance = { basis: Basis.DIRECT, form: Form.VERBATIM };
  const when = occurred ? { occurred: fuzzy(occurred) } : {};
  return create(DraftSchema, { facts: { provenance, event, ...when }, words });
}

/** Return the opening of the talks: two parties, and a milestone planned for the first half of 2027. */
export function opening(): Draft[] {
  const party = { kind: ParticipantKind.ORGANIZATION, role: ParticipantRole.PARTY };
  const delivery = {
    milestoneId: "delivery",
    certainty: Certainty.PLANNED,
    expected: fuzzy("2027-40"),
  };
  return [
    draft({ case: "negotiationOpened", value: {} }, { title: "Lease of a crane" }),
    draft(
      { case: "participantJoined", value: { participantId: "harbour", ...party } },
      { name: "Harbour Authority" },
    ),
    draft(
      { case: "participantJoined", value: { participantId: "freight", ...party } },
      { name: "Northern Freight" },
    ),
    draft(
      { case: "milestonePlanned", value: delivery },
      { title: "The crane stands on the quay", dateVerbatim: "in the first half of next year" },
    ),
  ];
}

/** Return a statement with its id, its speaker, its text, and optionally its date. */
export function said(statementId: string, speaker: string, text: string, when?: string): Draft[] {
  const value = { statementId, speakers: [speaker], act: StatementAct.ASSERT };
  return [draft({ case: "statementRecorded", value }, { text }, when)];
}
