"""Bytes as protobuf has them on the wire, put together without writing any message anew. Pure."""

from google.protobuf.message import Message

MORE = 0x80
"""The bit of a number that says that another group of seven bits follows."""

_BYTES = 2  # the wire type of what stands after its length


def framed(field_number: int, data: bytes) -> bytes:
    """Bytes as a length-delimited field of a message.

    So stored entries are spliced into answers and bundles as they are, and never written again.
    """
    return before(field_number, len(data)) + data


def before(field_number: int, length: int) -> bytes:
    """What stands before that many bytes when they are a field of a message."""
    return varint(field_number << 3 | _BYTES) + varint(length)


def first(data: bytes, field_number: int) -> bytes:
    """The first field of a message, as it stands: framed, and not parsed.

    Raises ValueError if it is another, or none of bytes.
    """
    tag = varint(field_number << 3 | _BYTES)
    if not data.startswith(tag):
        raise ValueError(f"the message does not begin with field {field_number}")
    place, length, shift = len(tag), 0, 0
    while data[place] >= MORE:
        length |= data[place] % MORE << shift
        place, shift = place + 1, shift + 7
    return data[: place + 1 + (length | data[place] << shift)]


def varint(number: int) -> bytes:
    """A number, seven bits a byte and the lowest first, in its one shortest form."""
    groups = bytearray()
    while number >= MORE:
        groups.append(number % MORE | MORE)
        number //= MORE
    groups.append(number)
    return bytes(groups)


def written(message: Message) -> bytes:
    """The bytes of a message, in the order of its fields."""
    return message.SerializeToString(deterministic=True)
