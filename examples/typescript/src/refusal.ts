/** What an error says, and whether the call may be made again. */

import { Code, ConnectError } from "@connectrpc/connect";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  RetryInfoSchema,
} from "../stubs/google/rpc/error_details_pb.js";
import { ErrorReason } from "../stubs/pourparler/v1/errors_pb.js";

/** The word of the service that a call failed, and why. */
export interface Refusal {
  code: Code;
  /** Why, as a name that keeps its meaning: errors.proto says what each means. */
  reason: keyof typeof ErrorReason;
  /** The paths of the fields that it is about, such as `drafts[2].words.text`. */
  fields: string[];
  text: string;
}

/** What the service said, or undefined if the call was lost on its way there or back. */
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

// What becomes of a call whose connection is cut, by which end notices it and how.
const LOST = [Code.Unavailable, Code.Aborted, Code.Canceled, Code.Internal, Code.Unknown];

/**
 * How many milliseconds to wait before a call is made again; undefined if it would fail again.
 *
 * Made again are calls that were lost, and those that the service itself asks to be repeated later.
 * Whoever does so needs a request id, or only reads.
 */
export function waitAfter(error: unknown, attempt: number): number | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  const [later] = error.findDetails(RetryInfoSchema);
  const refusal = refusalIn(error);
  const lost = refusal ? refusal.code === Code.Unavailable : LOST.includes(error.code);
  if (!lost && !later) return undefined;
  const asked =
    Number(later?.retryDelay?.seconds ?? 0n) * 1e3 + (later?.retryDelay?.nanos ?? 0) / 1e6;
  // Callers who failed together do not come back together.
  return asked + Math.random() * Math.min(50 * 2 ** attempt, 2_000);
}
