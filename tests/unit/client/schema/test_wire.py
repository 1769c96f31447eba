"""Bytes of the wire, put together and taken apart without a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pourparler.schema.wire import first_field, length_delimited


@given(st.binary(max_size=400), st.binary(max_size=10), st.sampled_from([1, 15, 16, 3_000]))
def test_the_first_field_is_taken_as_it_stands(data: bytes, rest: bytes, number: int) -> None:
    assert first_field(length_delimited(number, data) + rest, number) == length_delimited(
        number, data
    )


@pytest.mark.parametrize("data", [b"", length_delimited(2, b"facts"), b"\x08\x01"])
def test_another_field_is_not_taken_for_it(data: bytes) -> None:
    with pytest.raises(ValueError, match="does not begin with field 1"):
        first_field(data, 1)
