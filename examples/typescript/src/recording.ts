/** Groups of entries put on the record: once, however often a call is lost. */

import { setTimeout as pause } from "node:timers/promises";
import type { DescMethodUnary, MessageInitShape } from "@bufbuild/protobuf";
import { BytesValueSchema } from "@bufbuild/protobuf/wkt";
import {
  RecordService,
  type RecordEntriesRequestSchema,
} from "../stubs/pourparler/v1/record_service_pb.js";
import type { Connection } from "./connection.js";
import { waitAfter } from "./refusal.js";

// A RecordEntriesResponse has one field, the receipt, and its number is 1: read as a BytesValue, it gives
// the receipt in the very bytes that came, which are those that were hashed.
const recordExactly: DescMethodUnary<typeof RecordEntriesRequestSchema, typeof BytesValueSchema> = {
  ...RecordService.method.recordEntries,
  output: BytesValueSchema,
};

/** A group of drafts for one negotiation, with an id of the caller's own for the request. */
export type Group = MessageInitShape<typeof RecordEntriesRequestSchema> & { requestId: string };

/**
 * Record a group: the bytes of its Receipt. A call that was lost is made again with the same request
 * id, so that it is answered with the first receipt and nothing is recorded twice.
 *
 * Throws a ConnectError: the refusal of the service, or the last failure once the time is up. What was
 * recorded is then not known, and the same group can be sent again, whenever that is.
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
