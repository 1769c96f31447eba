/** Record groups of entries exactly once, also if calls are lost. */

import { setTimeout as pause } from "node:timers/promises";
import type { DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import {
  RecordService,
  type RecordEntriesRequestSchema,
} from "../stubs/pourparler/v1/record_service_pb.js";
import type { Connection } from "./connection.js";
import { waitAfter } from "./refusal.js";

// A RecordEntriesResponse has one field, the receipt, with the number 1. Parsed as a BytesValue, it gives
// the receipt in exactly the received bytes, which the service hashed.
const recordExactly: DescMethodUnary<typeof RecordEntriesRequestSchema, typeof BytesValueSchema> = {
  ...RecordService.method.recordEntries,
  output: BytesValueSchema,
};

/** A group of drafts for one negotiation, with a request id that the caller chooses. */
export type Group = MessageInitShape<typeof RecordEntriesRequestSchema> & { requestId: string };

/**
 * Record a group, and return the bytes of its Receipt.
 *
 * The function repeats a lost call with the same request id. The service answers with the first receipt,
 * and records nothing twice.
 *
 * Throw a ConnectError with the refusal of the service, or with the last failure after the time limit.
 * After such a failure the caller does not know the result, and may send the same group again at any time.
 */
export async function record(
  connection: Connection,
  group: Group,
  seconds = 10,
): Promise<Uint8Array> {
  const end = Date.now() + seconds * 1000;
  for (let attempt = 0; ; attempt += 1) {
    try {
      const left = end - Date.now();
      const answer = await connection.transport.unary(
        recordExactly,
        undefined,
        left,
        undefined,
        group,
      );
      return answer.message.value;
    } catch (error) {
      const wait = waitAfter(error, attempt);
      if (wait === undefined || Date.now() + wait >= end) throw error;
      await pause(wait);
    }
  }
}
