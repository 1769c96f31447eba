/** Dates as well as they are known. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import type { FuzzyDateSchema } from "../stubs/pourparler/v1/values_pb.js";

const TIME_OF_DAY = /T\d\d:\d\d/;
const OFFSET = /(Z|[+-]\d\d:\d\d)$/;

/**
 * A date of the record: `2022-10-10T09:30+02:00` is an instant, anything without a time of day is EDTF,
 * such as `2023-41` for the second half of 2023 or `[2022-10-10..]` for that day or any later one.
 *
 * An hour without an offset from UTC is no instant, and none is guessed: it throws a RangeError.
 */
export function fuzzy(text: string): MessageInitShape<typeof FuzzyDateSchema> {
  if (!TIME_OF_DAY.test(text)) return { date: { case: "edtf", value: text } };
  const instant = new Date(text);
  if (!OFFSET.test(text) || Number.isNaN(instant.getTime())) {
    throw new RangeError(`${text} is no instant: it has to end in Z or an offset such as +02:00.`);
  }
  return { date: { case: "instant", value: timestampFromDate(instant) } };
}
