/** A history that does not end, read over one connection after the other. */

import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AuditService, type ReplayEntriesResponse } from "../stubs/pourparler/v1/audit_service_pb.js";
import type { Connection } from "./connection.js";
import { waitAfter } from "./refusal.js";

/** What is watched, and from where on. */
export interface Watched {
  /** The negotiation, `negotiations/{id}`, or `negotiations/-` for all of them. */
  name: string;
  /** The cursor of the last message that was dealt with; without one, from the first entry on. */
  cursor?: string;
  /** Ends the watch, without an error. */
  signal?: AbortSignal;
  /** For how many seconds the service may be away before that is an error. */
  seconds?: number;
}

/** How many milliseconds may pass without a sign of the service; one is due every 15 seconds. */
const SILENCE = 45_000;

/**
 * The messages of a replay that follows: the entries on the record, and then those that come. When the
 * connection breaks or nothing is heard, it goes on with a new one after the last message given, so
 * that no entry is left out and none comes twice. Whoever keeps the cursor of each message once it is
 * dealt with can go on from there in another process.
 */
export async function* watch(
  connection: Connection,
  watched: Watched,
): AsyncGenerator<ReplayEntriesResponse> {
  const { name, signal, seconds = 30 } = watched;
  const audits = createClient(AuditService, connection.transport);
  let cursor = watched.cursor ?? "";
  let heard = Date.now();
  for (let attempt = 0; !signal?.aborted; attempt += 1) {
    const call = new AbortController();
    const ends = signal ? AbortSignal.any([signal, call.signal]) : call.signal;
    let silent = setTimeout(() => call.abort(), SILENCE);
    try {
      const request = { name, cursor, follow: true };
      for await (const message of audits.replayEntries(request, { signal: ends })) {
        clearTimeout(silent);
        [attempt, cursor] = [0, message.cursor];
        yield message;
        heard = Date.now();
        silent = setTimeout(() => call.abort(), SILENCE);
      }
      throw new ConnectError("the service ended the watch, which has no end", Code.Unavailable);
    } catch (error) {
      if (signal?.aborted) return;
      const wait = call.signal.aborted ? 0 : waitAfter(error, attempt);
      if (wait === undefined || Date.now() + wait > heard + seconds * 1000) throw error;
      await pause(wait, undefined, { signal }).catch(() => undefined);
    } finally {
      clearTimeout(silent);
      call.abort(); // also when whoever reads has seen enough: the service is told
    }
  }
}
