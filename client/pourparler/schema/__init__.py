"""The contract read once: field options, dates in EDTF, and bytes on the wire."""
