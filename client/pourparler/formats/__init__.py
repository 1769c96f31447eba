"""Interchange formats: a record is written entry by entry, and read back row by row.

These formats serve tools. Only a bundle proves anything to an auditor.
"""
