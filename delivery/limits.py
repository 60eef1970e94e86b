"""What a push may hold, whoever wrote it. Imports no Django."""

LARGEST = 3_000
"""Bytes. A push service takes 3,993 of plain text; ids, receipt and preference link need the rest."""
URGENCIES = ("very-low", "low", "normal", "high")
LONGEST_TTL = 28 * 86_400
MOST_BUTTONS = 2
