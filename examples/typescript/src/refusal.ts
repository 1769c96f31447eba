/** The refusal in an error, and the decision whether to repeat the call. */

import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../stubs/google/rpc/error_details_pb.js";
import { ErrorReason } from "../stubs/pourparler/v1/errors_pb.js";

/** A refusal of the service, with its reason. */
export interface Refusal {
  code: Code;
  /** The stable name of the reason. errors.proto describes each name. */
  reason: keyof typeof ErrorReason;
  /** The paths of the fields concerned, such as `drafts[2].words.text`. */
  fields: string[];
  text: string;
}

/** Return the refusal of the service, or undefined if the call was lost in the network. */
export function refusalIn(error: unknown): Refusal | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const [info] = error.findDetails(ErrorInfoSchema);
  if (info?.domain !== "pourparler") return undefined;
  const wrong = error.findDetails(BadRequestSchema).flatMap((one) => one.fieldViolations);
  const field = info.metadata["field"];
  return {
    code: error.code,
    reason: info.reason as keyof typeof ErrorReason,
    fields: wrong.length ? wrong.map((one) => one.field) : field ? [field] : [],
    text: error.rawMessage,
  };
}

// The codes of a call whose connection breaks. The code depends on the end that notices it first.
const LOST = [Code.Unavailable, Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown];

/**
 * Return the milliseconds to wait before the next attempt, or undefined if a retry would fail again.
 *
 * A caller may repeat a lost call, and a call that the service asks to repeat later. Only calls with a
 * request id and reads are safe to repeat.
 */
export function waitAfter(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const [later] = error.findDetails(RetryInfoSchema);
  const refusal = refusalIn(error);
  const lost = refusal ? refusal.code === Code.Unavailable : LOST.includes(error.code);
  if (!lost && !later) return undefined;
  const asked =
    Number(later?.retryDelay?.seconds ?? 0n) * 1e3 + (later?.retryDelay?.nanos ?? 0) / 1e6;
  // A random delay spreads the retries of callers that failed at the same time.
  return asked + Math.random() * Math.min(50 * 2 ** attempt, 2_000);
}
