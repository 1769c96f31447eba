/**
 * Signed checkpoints: a C2SP tlog-checkpoint in a C2SP signed note.
 *
 * docs/reference/record-format.md describes the format.
 */

import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { Refuted, same, sha256 } from "./proof.js";

/** The public key and the name of a service. The operator of the service provides it. */
export interface VerifierKey {
  name: string;
  id: Buffer;
  key: KeyObject;
}

/** The signed content of a checkpoint: the number of entries of a negotiation, and their root. */
export interface Checkpoint {
  origin: string;
  size: bigint;
  root: Buffer;
}

const KEY = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/;
const SIGNATURE = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/=]+)$/;
const SIZE = /^(0|[1-9][0-9]{0,18})$/;
const CONTROL = /[\x00-\x09\x0b-\x1f]/;

/** Parse a verifier key, `name+id+key`, as `make serve` prints it. Throw a Refuted if it is not valid. */
export function verifierKey(text: string): VerifierKey {
  const [, name, id, encoded] = KEY.exec(text) ?? [];
  const data = decoded(encoded ?? "");
  if (!name || data.length !== 33 || data[0] !== 1)
    throw new Refuted("this is not a key of a service");
  const computed = sha256(name, "\n", data).subarray(0, 4);
  if (computed.toString("hex") !== id)
    throw new Refuted("the id does not match the key");
  const x = data.subarray(1).toString("base64url");
  const key = createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x } });
  return { name, id: computed, key };
}

/** Return the checkpoint of a negotiation from a note that this key signed, or throw a Refuted. */
export function opened(note: string, key: VerifierKey, negotiation: string): Checkpoint {
  const end = note.lastIndexOf("\n\n");
  const [text, below] = [note.slice(0, end + 1), note.slice(end + 2)];
  if (note.length > 65_536 || end < 0 || CONTROL.test(note) || !below.endsWith("\n")) {
    throw new Refuted("this is not a signed note");
  }
  const signatures = below.slice(0, -1).split("\n").map(signature);
  if (signatures.length > 64) throw new Refuted("this note has too many signatures");
  const mine = signatures.filter((one) => one.name === key.name && same(one.id, key.id));
  if (!mine.length) throw new Refuted("the checkpoint is not signed by the key");
  for (const one of mine) {
    if (!verify(null, Buffer.from(text), key.key, one.data)) {
      throw new Refuted("the signature on the checkpoint is not valid");
    }
  }
  const [origin, size, root, ...more] = text.slice(0, -1).split("\n");
  const digest = decoded(root ?? "");
  if (!origin || !size || !SIZE.test(size) || digest.length !== 32 || more.includes("")) {
    throw new Refuted("the checkpoint cannot be read");
  }
  if (origin !== `${key.name}/negotiations/${negotiation}`) {
    throw new Refuted(`the checkpoint is of ${origin}`);
  }
  return { origin, size: BigInt(size), root: digest };
}

function signature(line: string): { name: string; id: Buffer; data: Buffer } {
  const [, name, encoded] = SIGNATURE.exec(line) ?? [];
  const data = decoded(encoded ?? "");
  if (!name || data.length < 5) throw new Refuted("a line below the checkpoint is not a signature");
  return { name, id: data.subarray(0, 4), data: data.subarray(4) };
}

/** Decode base64, and accept only its canonical form. */
function decoded(text: string): Buffer {
  const data = Buffer.from(text, "base64");
  if (data.toString("base64") !== text) throw new Refuted("base64 is not in its canonical form");
  return data;
}
