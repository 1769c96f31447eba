"""The protobuf wire format: build messages from stored bytes without encoding them again. Pure."""

from google.protobuf.message import Message

CONTINUATION_BIT = 0x80
"""The bit of a varint byte that announces another byte."""

_LENGTH_DELIMITED = 2  # the wire type


def length_delimited(field_number: int, data: bytes) -> bytes:
    """Return bytes as a length-delimited field of a message.

    With it, stored entries go into responses and bundles in their exact bytes.
    """
    return field_prefix(field_number, len(data)) + data


def field_prefix(field_number: int, length: int) -> bytes:
    """Return the tag and the length of a field of that many bytes."""
    return varint(field_number << 3 | _LENGTH_DELIMITED) + varint(length)


def first_field(data: bytes, field_number: int) -> bytes:
    """Return the first field of a message, with its tag and length.

    Raises ValueError if the message does not begin with this length-delimited field.
    """
    tag = varint(field_number << 3 | _LENGTH_DELIMITED)
    if not data.startswith(tag):
        raise ValueError(f"the message does not begin with field {field_number}")
    place, length, shift = len(tag), 0, 0
    while data[place] >= CONTINUATION_BIT:
        length |= data[place] % CONTINUATION_BIT << shift
        place, shift = place + 1, shift + 7
    return data[: place + 1 + (length | data[place] << shift)]


def varint(number: int) -> bytes:
    """Return a number as a varint in its shortest form: 7 bits a byte, the lowest first."""
    groups = bytearray()
    while number >= CONTINUATION_BIT:
        groups.append(number % CONTINUATION_BIT | CONTINUATION_BIT)
        number //= CONTINUATION_BIT
    groups.append(number)
    return bytes(groups)


def serialize(message: Message) -> bytes:
    """Return the deterministic bytes of a message."""
    return message.SerializeToString(deterministic=True)
