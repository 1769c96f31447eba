/** Merkle trees of RFC 6962, and the checks of RFC 9162. The functions are pure. */

import { createHash } from "node:crypto";

/** The error for data that does not match the signed checkpoint. */
export class Refuted extends Error {
  override name = "Refuted";
}

/** Return the SHA-256 hash of the concatenated parts. */
export function sha256(...parts: (Uint8Array | string)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Return the leaf of an entry from the bytes of its header (RFC 6962, 2.1). */
export function leafHash(header: Uint8Array): Buffer {
  return sha256("\x00", header);
}

/** Return the parent of two nodes (RFC 6962, 2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return sha256("\x01", left, right);
}

/** Return the root of the tree of these leaves (RFC 6962, 2.1). */
export function rootOf(leaves: Uint8Array[]): Uint8Array {
  const [only] = leaves;
  if (!only) return sha256();
  if (leaves.length === 1) return only;
  let left = 1;
  while (left * 2 < leaves.length) left *= 2;
  return nodeHash(rootOf(leaves.slice(0, left)), rootOf(leaves.slice(left)));
}

/** Check that a leaf is at `index` in the tree with this size and root (RFC 9162, 2.1.3.2). */
export function checkInclusion(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  proof: Uint8Array[],
  root: Uint8Array,
): void {
  if (index < 0n || index >= size) throw new Refuted(`a tree of ${size} has no leaf ${index}`);
  const [found] = climbed(index, size - 1n, leaf, proof);
  if (!same(found, root)) throw new Refuted("the proof leads to another root");
}

/** Check that the tree of size `to` starts with the tree of size `from` (RFC 9162, 2.1.4.2). */
export function checkConsistency(
  from: bigint,
  fromRoot: Uint8Array,
  to: bigint,
  toRoot: Uint8Array,
  proof: Uint8Array[],
): void {
  if (from < 1n || from > to)
    throw new Refuted(`a tree of ${to} does not begin with one of ${from}`);
  if (from === to) {
    if (proof.length) throw new Refuted("a tree needs no proof that it begins with itself");
    if (!same(fromRoot, toRoot)) throw new Refuted("two roots of one size differ");
    return;
  }
  // A complete tree is a node of the later tree, so the proof does not repeat it.
  const complete = (from & (from - 1n)) === 0n;
  const [first, ...others] = complete ? [fromRoot, ...proof] : proof;
  if (!first) throw new Refuted("the proof is too short");
  let [index, last] = [from - 1n, to - 1n];
  while (index & 1n) [index, last] = [index >> 1n, last >> 1n];
  const [later, earlier] = climbed(index, last, first, others);
  if (!same(earlier, fromRoot)) throw new Refuted("the proof begins with another tree");
  if (!same(later, toRoot)) throw new Refuted("the proof leads to another root");
}

/** Return the root that a proof leads to from a node, and the root without the nodes to the right. */
function climbed(
  index: bigint,
  last: bigint,
  node: Uint8Array,
  proof: Uint8Array[],
): [whole: Uint8Array, left: Uint8Array] {
  if ([node, ...proof].some((one) => one.length !== 32)) throw new Refuted("a hash has 32 bytes");
  let [whole, left] = [node, node];
  for (const beside of proof) {
    if (!last) throw new Refuted("the proof is too long");
    if (index & 1n || index === last) {
      [whole, left] = [nodeHash(beside, whole), nodeHash(beside, left)];
      while (index && !(index & 1n)) [index, last] = [index >> 1n, last >> 1n];
    } else {
      whole = nodeHash(whole, beside);
    }
    [index, last] = [index >> 1n, last >> 1n];
  }
  if (last) throw new Refuted("the proof is too short");
  return [whole, left];
}

/** Return whether two byte strings are equal. */
export function same(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}
