"""What a message may cost. The library's own limits are off by default, and none of them covers filters."""

from __future__ import annotations

SOURCE = 16 * 1024  # characters of one field as it is written
EXPRESSION = 2_000  # characters between {{ }} or {% %}: scanning one can take the square of its length
BLANKS = 200  # whitespace in a row, for the same reason
DEPTH = 40  # operators, paths and blocks inside one another
RANGE = 1_000  # numbers in (1..n)
ITERATIONS = 10_000  # of nested loops
NAMESPACE = 100 * 1024  # bytes of assigned values
OUTPUT = 8 * 1024  # bytes of one rendered field
TEXT = 8 * 1024  # characters that a filter may give back
ITEMS = 1_000  # in a list that a filter may give back
NUMBER = 10**15
WORK = 200_000  # steps of one rendering: filters weigh by the size of their input, loops by that of their body
