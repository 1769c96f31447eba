/** The command line: a tour of all parts, and each part as a separate command. */

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ReceiptSchema } from "../stubs/pourparler/v1/record_service_pb.js";
import type { Entry } from "../stubs/pourparler/v1/entry_pb.js";
import { opened, verifierKey, type Checkpoint } from "./checkpoint.js";
import { ADDRESS, Connection } from "./connection.js";
import { Refuted, same } from "./proof.js";
import { record } from "./recording.js";
import { refusalIn } from "./refusal.js";
import { opening, said } from "./talks.js";
import { proverAt, verified, type Log } from "./verifying.js";
import { watch } from "./watching.js";

const USAGE = `usage: npm start -- [COMMAND] [OPTIONS]

  (none)                  run all parts in order; requires --key
  open NEGOTIATION        record the opening of a negotiation
  say NEGOTIATION WORDS   record a statement; options: --by, --when (an EDTF date or an instant)
  watch NEGOTIATION       show entries as they are recorded; options: --cursor, --count, --seconds
  verify FILE             verify a receipt; requires --key; option: --since FILE, an earlier receipt

  --server ADDRESS        the address of the service; default: POURPARLER_SERVER, or ${ADDRESS}
  --root-certificates FILE  the authorities to trust, in PEM; uses TLS
  --token-file FILE       the token that identifies the caller; uses TLS
  --request-id ID         the request id; repeat it to send the same group again
  --receipt FILE          the file to write the receipt to
  --key KEY               the verifier key, which the service prints when it starts`;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    server: { type: "string", default: process.env["POURPARLER_SERVER"] ?? ADDRESS },
    "root-certificates": { type: "string" },
    "token-file": { type: "string" },
    "request-id": { type: "string", default: randomUUID() },
    receipt: { type: "string" },
    key: { type: "string" },
    since: { type: "string" },
    by: { type: "string", default: "harbour" },
    when: { type: "string" },
    cursor: { type: "string", default: "" },
    count: { type: "string", default: "Infinity" },
    seconds: { type: "string" },
    help: { type: "boolean", short: "h" },
  },
});

const connection = new Connection({
  address: options.server,
  rootCertificates: options["root-certificates"],
  tokenFile: options["token-file"],
});

/** Record a group, print the result, and return the bytes of the receipt. */
async function recorded(group: Parameters<typeof record>[1]): Promise<Uint8Array> {
  const bytes = await record(connection, group);
  const receipt = fromBinary(ReceiptSchema, bytes);
  console.log(
    `recorded ${receipt.entries.length}, ${receipt.negotiation} is at version ${receipt.version}`,
  );
  if (options.receipt) writeFileSync(options.receipt, bytes);
  return bytes;
}

/** Print new entries of a negotiation until the watch reaches the count or the time limit. */
async function watched(name: string, count: number, seconds?: string): Promise<void> {
  const signal = seconds ? { signal: AbortSignal.timeout(Number(seconds) * 1000) } : {};
  let left = count;
  for await (const message of watch(connection, { name, cursor: options.cursor, ...signal })) {
    for (const entry of message.entries) console.log(line(entry));
    if (message.entries.length) console.log(`cursor ${message.cursor}`);
    left -= message.entries.length;
    if (left <= 0) return;
  }
}

function line({ header, facts, words }: Entry): string {
  const said = words?.text || words?.title || words?.name;
  return [header?.version, facts?.event.case ?? "withheld", said].join(" ");
}

/** Verify a receipt, print the result, and return the checkpoint to keep. */
async function checked(receipt: Uint8Array, kept?: Checkpoint): Promise<Checkpoint> {
  const { negotiation } = fromBinary(ReceiptSchema, receipt);
  const { entries, checkpoint } = await verified(
    receipt,
    pinned(negotiation),
    proverAt(connection, negotiation),
    kept,
  );
  for (const one of entries) console.log(`verified ${line(one)}`);
  if (kept) console.log(`verified that nothing up to version ${kept.size} was changed since`);
  return checkpoint;
}

function pinned(negotiation: string): Log {
  return {
    negotiation: negotiation.replace("negotiations/", ""),
    key: verifierKey(options.key ?? ""),
  };
}

/** Return the checkpoint in an earlier receipt. */
function since(file: string): Checkpoint {
  const { checkpoint, negotiation } = fromBinary(ReceiptSchema, readFileSync(file));
  const { key, ...log } = pinned(negotiation);
  return opened(checkpoint, key, log.negotiation);
}

/** Print the error of an attempt that must fail. */
async function refused(attempt: Promise<unknown>): Promise<void> {
  await attempt.then(
    () => Promise.reject(new Error("the call did not fail")),
    (error: unknown) => console.log(told(error)),
  );
}

async function tour(): Promise<void> {
  const negotiation = `negotiations/${randomUUID()}`;
  const group = { negotiation, requestId: randomUUID(), expectedVersion: 0n, drafts: opening() };
  const first = await recorded(group);
  console.log(
    `sent again: ${same(first, await recorded(group)) ? "the same receipt, byte for byte" : "another"}`,
  );

  const remark = said("limit", "freight", "Nine thousand a month is our limit.", "2026-11");
  const second = await recorded({ negotiation, requestId: randomUUID(), drafts: remark });
  const nobody = said("rumour", "nobody", "They would take ten.");
  await refused(record(connection, { negotiation, requestId: randomUUID(), drafts: nobody }));
  await watched(negotiation, 5);

  const checkpoint = await checked(first);
  await checked(second, checkpoint);
  const changed = Buffer.from(second);
  changed[changed.indexOf("Nine")] = "M".charCodeAt(0);
  await refused(checked(changed, checkpoint));
}

async function main([command, subject, words]: string[]): Promise<void> {
  const negotiation = `negotiations/${subject?.replace("negotiations/", "")}`;
  const requestId = options["request-id"];
  if (!command && options.key) return tour();
  if (subject && command === "open") {
    await recorded({ negotiation, requestId, expectedVersion: 0n, drafts: opening() });
  } else if (subject && words && command === "say") {
    const drafts = said(requestId, options.by, words, options.when);
    await recorded({ negotiation, requestId, drafts });
  } else if (subject && command === "watch") {
    await watched(negotiation, Number(options.count), options.seconds);
  } else if (subject && options.key && command === "verify") {
    await checked(readFileSync(subject), options.since ? since(options.since) : undefined);
  } else {
    console.error(USAGE);
    process.exitCode = options.help ? 0 : 2;
  }
}

/** Return an error as one line. */
function told(error: unknown): string {
  const refusal = refusalIn(error);
  if (refusal) return `refused: ${refusal.reason} ${refusal.fields.join(" ")}: ${refusal.text}`;
  if (error instanceof Refuted) return `not verified: ${error.message}`;
  if (error instanceof ConnectError) return `failed: ${Code[error.code]}: ${error.rawMessage}`;
  return String(error);
}

try {
  await main(positionals);
} catch (error) {
  console.error(told(error));
  process.exitCode = error instanceof Refuted ? 4 : 1;
} finally {
  connection.close();
}
