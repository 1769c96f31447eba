/** A receipt, held against what the service signed: what stands in it was recorded, and only so. */

import { fromBinary, toBinary, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { AuditService } from "../stubs/pourparler/v1/audit_service_pb.js";
import {
  RecordsSchema,
  type Entry,
  type EntryHeader,
  type Record,
} from "../stubs/pourparler/v1/entry_pb.js";
import { ReceiptSchema } from "../stubs/pourparler/v1/record_service_pb.js";
import { opened, type Checkpoint, type VerifierKey } from "./checkpoint.js";
import type { Connection } from "./connection.js";
import {
  checkConsistency,
  checkInclusion,
  leafHash,
  Refuted,
  rootOf,
  same,
  sha256,
} from "./proof.js";

/** Where proofs come from. Whatever it says is checked, and believed nowhere. */
export interface Prover {
  inclusion(version: bigint, size: bigint): Promise<Uint8Array[]>;
  consistency(from: bigint, to: bigint): Promise<Uint8Array[]>;
}

/** A log as its reader has it pinned: the negotiation, and the key that its checkpoints are signed with. */
export interface Log {
  negotiation: string;
  key: VerifierKey;
}

/**
 * See that the entries of a receipt are those that its checkpoint was signed for: the entries, and the
 * checkpoint to keep. With the one kept before, that nothing before it was changed since. A section that
 * an entry does not have was withheld, or its words were destroyed.
 *
 * Throws a Refuted, which says what does not hold.
 */
export async function verified(
  receipt: Uint8Array,
  log: Log,
  prover: Prover,
  kept?: Checkpoint,
): Promise<{ entries: Entry[]; checkpoint: Checkpoint }> {
  // Two readings of the same bytes: one for those who read, one with the exact bytes that were hashed.
  const { entries, checkpoint: note } = read(ReceiptSchema, receipt);
  const { records } = fromBinary(RecordsSchema, receipt);
  if (!records.length) throw new Refuted("the receipt has no entries");
  const checkpoint = opened(note, log.key, log.negotiation);
  const { size, root } = checkpoint;
  const first = size - BigInt(records.length) + 1n;
  for (const [place, record] of records.entries()) {
    checkEntry(record, entries[place]?.header, log.negotiation, first + BigInt(place));
  }
  const leaves = records.map((one) => leafHash(one.header));
  if (first === 1n) {
    if (!same(rootOf(leaves), root)) throw new Refuted("the entries are not those signed for");
  } else {
    for (const [place, leaf] of leaves.entries()) {
      const version = first + BigInt(place);
      checkInclusion(leaf, version - 1n, size, await prover.inclusion(version, size), root);
    }
  }
  if (kept) {
    const proof = kept.size < size ? await prover.consistency(kept.size, size) : [];
    checkConsistency(kept.size, kept.root, size, root, proof);
  }
  return { entries, checkpoint };
}

/** See that a stored entry has its place, and the sections that its header has the digests of. */
function checkEntry(
  record: Record,
  header: EntryHeader | undefined,
  negotiation: string,
  version: bigint,
): void {
  if (header?.negotiation !== negotiation) throw new Refuted("an entry is of another negotiation");
  if (header.version !== version)
    throw new Refuted(`version ${header.version} stands for ${version}`);
  if (header.format !== 1) throw new Refuted(`version ${version} is of an unknown format`);
  if (header.sectionDigests.length !== 2)
    throw new Refuted(`version ${version} has not two sections`);
  for (const [place, section] of [record.facts, record.words].entries()) {
    const salt = record.salts[place];
    if (!salt?.length && !section.length) continue; // withheld
    if (salt?.length !== 32 || !same(sha256(salt, section), header.sectionDigests[place]!)) {
      throw new Refuted(`the ${place ? "words" : "facts"} of version ${version} were changed`);
    }
  }
}

/** A message in the one form that it can have, so that nobody else reads something else in it. */
function read<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  let message: MessageShape<Desc>;
  try {
    message = fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (error) {
    throw new Refuted(`the ${schema.name} cannot be read`, { cause: error });
  }
  if (!same(toBinary(schema, message), bytes))
    throw new Refuted(`the ${schema.name} is not in its one form`);
  return message;
}

/** The service itself as the one to prove what it said. */
export function proverAt(connection: Connection, name: string, timeoutMs = 10_000): Prover {
  const audits = createClient(AuditService, connection.transport);
  return {
    async inclusion(version, atVersion) {
      return (await audits.getInclusionProof({ name, version, atVersion }, { timeoutMs })).hashes;
    },
    async consistency(fromVersion, toVersion) {
      return (await audits.getConsistencyProof({ name, fromVersion, toVersion }, { timeoutMs }))
        .hashes;
    },
  };
}
