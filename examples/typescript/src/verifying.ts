/** Verify that the entries of a receipt are recorded exactly as the service signed them. */

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

/** A source of proofs. The client checks every proof, and does not trust the source. */
export interface Prover {
  inclusion(version: bigint, size: bigint): Promise<Uint8Array[]>;
  consistency(from: bigint, to: bigint): Promise<Uint8Array[]>;
}

/** A pinned log: the negotiation, and the verifier key of its checkpoints. */
export interface Log {
  negotiation: string;
  key: VerifierKey;
}

/**
 * Check that the entries of a receipt match its signed checkpoint. Return the entries, and the checkpoint
 * to keep.
 *
 * With an earlier checkpoint, also check that no entry up to that checkpoint was changed. A section that
 * is missing in an entry is withheld, or its words were destroyed.
 *
 * Throw a Refuted that names the check that fails.
 */
export async function verified(
  receipt: Uint8Array,
  log: Log,
  prover: Prover,
  kept?: Checkpoint,
): Promise<{ entries: Entry[]; checkpoint: Checkpoint }> {
  // The same bytes are parsed twice: into entries to use, and into sections with the hashed bytes.
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

/** Check that an entry has its version, and that its sections match the digests in its header. */
function checkEntry(
  record: Record,
  header: EntryHeader | undefined,
  negotiation: string,
  version: bigint,
): void {
  if (header?.negotiation !== negotiation) throw new Refuted("an entry is of another negotiation");
  if (header.version !== version)
    throw new Refuted(`version ${header.version} stands for ${version}`);
  if (header.format !== 1 && header.format !== 2)
    throw new Refuted(`version ${version} is of an unknown format`);
  if (header.sectionDigests.length !== 2)
    throw new Refuted(`version ${version} does not have two sections`);
  for (const [place, section] of [record.facts, record.words].entries()) {
    const salt = record.salts[place];
    if (!salt?.length && !section.length) continue; // withheld
    if (salt?.length !== 32 || !same(sha256(salt, section), header.sectionDigests[place]!)) {
      throw new Refuted(`the ${place ? "words" : "facts"} of version ${version} were changed`);
    }
  }
}

/** Parse a message, and accept only its canonical form, so that all readers see the same content. */
function read<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  let message: MessageShape<Desc>;
  try {
    message = fromBinary(schema, bytes, { readUnknownFields: false });
  } catch (error) {
    throw new Refuted(`the ${schema.name} cannot be read`, { cause: error });
  }
  if (!same(toBinary(schema, message), bytes))
    throw new Refuted(`the ${schema.name} is not in its canonical form`);
  return message;
}

/** Return a prover that requests the proofs from the service. */
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
