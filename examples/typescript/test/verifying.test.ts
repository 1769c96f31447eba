/** Receipts, true and forged, made of the worked example in docs/reference/record-format.md. */

import assert from "node:assert/strict";
import { createPrivateKey, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { BundleSchema } from "../stubs/pourparler/v1/bundle_pb.js";
import { RecordsSchema, type Record } from "../stubs/pourparler/v1/entry_pb.js";
import { ReceiptSchema } from "../stubs/pourparler/v1/record_service_pb.js";
import { opened, verifierKey } from "../src/checkpoint.js";
import { leafHash, nodeHash, Refuted, rootOf } from "../src/proof.js";
import { verified, type Prover } from "../src/verifying.js";

const FILE = readFileSync(new URL("../../../../tests/golden/talks.bundle", import.meta.url));
const BUNDLE = fromBinary(BundleSchema, FILE.subarray("pourparler.v1.bundle\n".length));
const NOTE = BUNDLE.header?.checkpoint ?? "";
const RECORDS = BUNDLE.records;
const LEAVES = RECORDS.map((one) => leafHash(one.header));
const KEY = verifierKey("test.example+1a3a626a+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop");
const LOG = { negotiation: "talks", key: KEY };
// The private key of the worked example is no secret: any reader can sign with it.
const PRIVATE = createPrivateKey({
  format: "jwk",
  key: { ...KEY.key.export({ format: "jwk" }), d: Buffer.alloc(32).toString("base64url") },
});

const PROVER: Prover = {
  async inclusion() {
    return [nodeHash(LEAVES[0]!, LEAVES[1]!)];
  },
  async consistency() {
    return [LEAVES[2]!];
  },
};

function receipt(records: Record[], note: string): Uint8Array {
  const written = toBinary(RecordsSchema, create(RecordsSchema, { records }));
  return Buffer.concat([
    written,
    toBinary(ReceiptSchema, create(ReceiptSchema, { checkpoint: note })),
  ]);
}

function signed(negotiation: string, leaves: Uint8Array[]): string {
  const root = Buffer.from(rootOf(leaves)).toString("base64");
  const text = `${KEY.name}/negotiations/${negotiation}\n${leaves.length}\n${root}\n`;
  const data = Buffer.concat([KEY.id, sign(null, Buffer.from(text), PRIVATE)]);
  return `${text}\n\u2014 ${KEY.name} ${data.toString("base64")}\n`;
}

const refuted = (attempt: Promise<unknown>, why: RegExp) =>
  assert.rejects(attempt, (error) => error instanceof Refuted && why.test(error.message));

test("a receipt of the first entries needs no prover", async () => {
  const noProver = undefined as unknown as Prover;

  const { entries, checkpoint } = await verified(receipt(RECORDS, NOTE), LOG, noProver);

  assert.deepEqual(
    entries.map((one) => one.header?.version),
    [1n, 2n, 3n],
  );
  assert.equal(entries[0]?.words?.title, "Talks");
  assert.equal(checkpoint.size, 3n);
});

test("a receipt of later entries is proved, and that what was kept has only grown", async () => {
  const kept = opened(signed("talks", LEAVES.slice(0, 2)), KEY, "talks");

  const { entries } = await verified(receipt(RECORDS.slice(2), NOTE), LOG, PROVER, kept);

  assert.deepEqual(
    entries.map((one) => one.header?.version),
    [3n],
  );
});

test("no byte of a receipt can be changed", async () => {
  const bytes = receipt(RECORDS, NOTE);
  for (const place of bytes.keys()) {
    const changed = Buffer.from(bytes);
    changed[place]! ^= 1;
    await refuted(verified(changed, LOG, PROVER), /./);
  }
});

test("what is withheld is told from what was changed", async () => {
  const [first, ...others] = RECORDS;
  const salts = [first!.salts[0]!, new Uint8Array()];
  const cut = { ...first!, salts, words: new Uint8Array() };

  const { entries } = await verified(receipt([cut, ...others], NOTE), LOG, PROVER);

  assert.equal(entries[0]?.words, undefined);
  await refuted(
    verified(receipt([{ ...cut, salts: first!.salts }, ...others], NOTE), LOG, PROVER),
    /words of version 1 were changed/,
  );
});

test("another key is refused", async () => {
  const key = { ...KEY, name: "other.example" };

  await refuted(verified(receipt(RECORDS, NOTE), { ...LOG, key }, PROVER), /not signed by the key/);
});

test("the checkpoint of another negotiation is refused, though it is signed", async () => {
  const note = signed("others", LEAVES);

  await refuted(
    verified(receipt(RECORDS, note), LOG, PROVER),
    /of test.example\/negotiations\/others/,
  );
});

test("entries that were not signed for are refused", async () => {
  const note = signed("talks", [LEAVES[0]!, LEAVES[1]!, LEAVES[1]!]);

  await refuted(verified(receipt(RECORDS, note), LOG, PROVER), /not those signed for/);
  await refuted(verified(receipt(RECORDS.slice(2), note), LOG, PROVER), /another root/);
});

test("a record that was rewritten is refused, though it is signed", async () => {
  const kept = opened(signed("talks", [LEAVES[1]!, LEAVES[1]!]), KEY, "talks");

  await refuted(
    verified(receipt(RECORDS.slice(2), NOTE), LOG, PROVER, kept),
    /leads to another root/,
  );
});

test("a record that has become shorter is refused, though it is signed", async () => {
  const kept = opened(signed("talks", [...LEAVES, LEAVES[0]!]), KEY, "talks");

  await refuted(verified(receipt(RECORDS, NOTE), LOG, PROVER, kept), /does not begin/);
});

test("a receipt of nothing shows nothing, and one of too much is refused", async () => {
  await refuted(verified(receipt([], NOTE), LOG, PROVER), /no entries/);
  await refuted(verified(receipt([...RECORDS, ...RECORDS], NOTE), LOG, PROVER), /stands for/);
});

test("a checkpoint has one form", () => {
  const awkward = [
    NOTE.replace("\n3\n", "\n03\n"),
    NOTE.replace(/\n/g, "\r\n"),
    NOTE.slice(0, -1),
    `${NOTE}\n`,
  ];
  for (const note of [...awkward, NOTE.replace("=\n", "\n"), "", "\n\n"]) {
    assert.throws(() => opened(note, KEY, "talks"), Refuted);
  }
});
