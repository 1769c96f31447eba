/** Dates, as precisely as they are known. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { FuzzyDateSchema } from "../stubs/pourparler/v1/values_pb.js";

const TIME_OF_DAY = /T\d\d:\d\d/;
const OFFSET = /(Z|[+-]\d\d:\d\d)$/;

/**
 * Return a date for the record.
 *
 * A text with a time of day, such as `2022-10-10T09:30+02:00`, is an instant. All other texts are EDTF:
 * `2023-41` is the second half of 2023, and `[2022-10-10..]` is that day or a later one.
 *
 * Throw a RangeError for a time of day without an offset from UTC. The client does not guess an offset.
 */
export function fuzzy(text: string): MessageInitShape<typeof FuzzyDateSchema> {
  if (!TIME_OF_DAY.test(text)) return { date: { case: "edtf", value: text } };
  const instant = new Date(text);
  if (!OFFSET.test(text) || Number.isNaN(instant.getTime())) {
    throw new RangeError(`${text} is no instant: it must end in Z or an offset such as +02:00.`);
  }
  return { date: { case: "instant", value: timestampFromDate(instant) } };
}
