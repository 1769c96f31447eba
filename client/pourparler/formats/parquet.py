"""Parquet, with pyarrow: the columns of a table, with typed times. Lossless.

It needs the extra `data`.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO

from google.protobuf.timestamp_pb2 import Timestamp

from pourparler import v1 as pb
from pourparler.formats.dataframe import loaded
from pourparler.formats.draft_lines import LONGEST, BadLineError, Read, read_of
from pourparler.formats.table import COLUMNS, WHOLE, entry_in, row

_TOGETHER = 1_024  # entries that are held and written at once
_MOST = 1 << 63  # a time is kept in as many nanoseconds


def write(file: BinaryIO, entries: Iterable[pb.Entry]) -> int:
    """Write a table. Return the number of entries. Raises ExtraMissingError."""
    arrow, parquet = loaded("pyarrow"), loaded("pyarrow.parquet")
    kinds = {"version": arrow.uint64(), "record_time": arrow.timestamp("ns", tz="UTC")}
    schema = arrow.schema([(name, kinds.get(name, arrow.string())) for name in COLUMNS])
    count = 0
    coming = iter(entries)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(islice(coming, _TOGETHER)):
            rows = [{**row(entry), "record_time": _time(entry)} for entry in some]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            count += len(some)
    return count


def read(file: BinaryIO) -> Iterator[Read]:
    """Yield the rows as drafts. Raises ExtraMissingError."""
    for number, cells in _rows(file):
        reached = file.tell() if file.seekable() else 0
        try:
            one = read_of(number, _entry(cells), reached)
        except BadLineError as error:
            one = Read(number, error, reached)
        yield one


def entries(file: BinaryIO) -> Iterator[pb.Entry]:
    """Yield the entries of a table. Raises BadLineError and ExtraMissingError."""
    for _number, cells in _rows(file):
        yield _entry(cells)


def _rows(file: BinaryIO) -> Iterator[tuple[int, dict[str, Any] | BadLineError]]:
    """Yield each row with its number; a malformed file is one malformed row."""
    arrow, parquet = loaded("pyarrow"), loaded("pyarrow.parquet")
    number = 0
    if not file.seekable():
        yield 1, BadLineError("Parquet is read from its end: give it as a file, not in a pipe.")
        return
    try:
        table = parquet.ParquetFile(file)
        for batch in table.iter_batches(batch_size=_TOGETHER):
            times = batch.schema.get_field_index("record_time")
            if times >= 0 and arrow.types.is_timestamp(batch.schema.field(times).type):
                plain = batch.column(times).cast(arrow.timestamp("ns")).cast(arrow.int64())
                batch = batch.set_column(times, "record_time", plain)  # noqa: PLW2901 - the same
            for cells in batch.to_pylist():
                number += 1
                yield number, cells
    except (arrow.ArrowException, OSError, ValueError, TypeError, MemoryError) as error:
        text = " ".join(str(error).split())[:200]
        yield number + 1, BadLineError(f"It is no Parquet that can be read: {text}")


def _entry(cells: dict[str, Any] | BadLineError) -> pb.Entry:
    if isinstance(cells, BadLineError):
        raise cells
    whole = cells.get(WHOLE)
    if isinstance(whole, str) and len(whole) > LONGEST:
        raise BadLineError(f"The cell is longer than {LONGEST:,} characters. (column {WHOLE})")
    # An empty cell is left out, as a missing column is.
    said = {name: cell for name, cell in cells.items() if cell is not None}
    if isinstance(time := said.get("record_time"), int):
        stamp = Timestamp()
        stamp.FromNanoseconds(time)
        said["record_time"] = stamp.ToJsonString()
    return entry_in(said)


def _time(entry: pb.Entry) -> int | None:
    """Return the record time of an entry in nanoseconds; None if it is out of range."""
    time = entry.header.record_time
    nanoseconds = time.seconds * 10**9 + time.nanos
    return nanoseconds if abs(nanoseconds) < _MOST else None
