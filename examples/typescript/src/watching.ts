/** A watch that continues over new connections after a failure. */

import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { AuditService, type ReplayEntriesResponse } from "../stubs/pourparler/v1/audit_service_pb.js";
import type { Connection } from "./connection.js";
import { waitAfter } from "./refusal.js";

/** The options of a watch. */
export interface Watched {
  /** The negotiation, `negotiations/{id}`, or `negotiations/-` for all negotiations. */
  name: string;
  /** The cursor of the last processed message. Without a cursor, the watch starts at the first entry. */
  cursor?: string;
  /** The signal that ends the watch without an error. */
  signal?: AbortSignal;
  /** The seconds that the service may be unavailable before the watch fails. */
  seconds?: number;
}

/** The maximum milliseconds without a message. The service sends a heartbeat every 15 seconds. */
const SILENCE = 45_000;

/**
 * Yield the messages of a watch: first the recorded entries, then new ones.
 *
 * If the connection breaks or stays silent, the watch opens a new one and continues after the last
 * message. No entry is lost, and none comes twice. A caller that stores the cursor of each processed
 * message can continue in another process.
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
      throw new ConnectError("the service ended the watch unexpectedly", Code.Unavailable);
    } catch (error) {
      if (signal?.aborted) return;
      const wait = call.signal.aborted ? 0 : waitAfter(error, attempt);
      if (wait === undefined || Date.now() + wait > heard + seconds * 1000) throw error;
      await pause(wait, undefined, { signal }).catch(() => undefined);
    } finally {
      clearTimeout(silent);
      call.abort(); // also if the caller stops early, so that the service ends the call
    }
  }
}
