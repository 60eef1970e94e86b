"""`matches`: a small subset of regular expressions that means the same in Python and PostgreSQL and cannot explode.

Literals, classes, anchors, `. ? * +`, groups, alternation. No back-reference, no look-around; `*` and `+` only on single
characters and classes, at most two of them; 200 characters; compared with the first 500 characters of a value.
"""

from __future__ import annotations

LONGEST = 200
MOST_REPEATS = 2
LONGEST_VALUE = 500
_SPECIAL = set(".^$*+?()[]{}|\\")


class InvalidPattern(ValueError):
    """The pattern is outside of the subset; the message says what is not allowed."""


def check(pattern: str) -> None:
    """Refuse what is outside of the subset."""
    if not pattern or len(pattern) > LONGEST:
        raise InvalidPattern(f"A pattern has 1 to {LONGEST} characters.")
    _Checker(pattern).alternatives(inside=False)


class _Checker:
    def __init__(self, pattern: str) -> None:
        self.text = pattern
        self.at = 0
        self.repeats = 0

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def alternatives(self, *, inside: bool) -> None:
        while True:
            self.sequence()
            if self.peek() == "|":
                self.at += 1
                continue
            break
        if self.peek() == ")" and not inside:
            raise InvalidPattern("A closing ) has no opening one.")

    def sequence(self) -> None:
        atoms = 0
        while self.peek() and self.peek() not in "|)":
            kind = self.atom()
            atoms += 1
            if self.peek() and self.peek() in "?*+":
                if kind == "anchor" or (kind == "group" and self.peek() != "?"):
                    raise InvalidPattern("Only single characters and [classes] may repeat, no groups.")
                self.repeats += self.peek() != "?"
                self.at += 1
                if self.peek() and self.peek() in "?*+":
                    raise InvalidPattern("A repetition may not be repeated.")
        if not atoms:
            raise InvalidPattern("One side of a | or a group is empty.")
        if self.repeats > MOST_REPEATS:
            raise InvalidPattern(f"At most {MOST_REPEATS} repetitions with * or +.")

    def atom(self) -> str:
        char = self.peek()
        self.at += 1
        if char in "^$":
            return "anchor"
        if char == "(":
            if self.peek() == "?":
                raise InvalidPattern("Groups like (?…) are not supported.")
            self.alternatives(inside=True)
            if self.peek() != ")":
                raise InvalidPattern("A group is not closed: ) is missing.")
            self.at += 1
            return "group"
        if char == "[":
            self.klass()
            return "class"
        if char == "\\":
            if self.peek() not in _SPECIAL or not self.peek():
                raise InvalidPattern("After \\ only one of . ^ $ * + ? ( ) [ ] { } | \\ may stand.")
            self.at += 1
            return "char"
        if char in "*+?":
            raise InvalidPattern(f"There is nothing before {char} to repeat.")
        if char in "{}]":
            raise InvalidPattern(f"Write \\{char} for the character itself.")
        return "any" if char == "." else "char"

    def klass(self) -> None:
        end = self.text.find("]", self.at)
        inner = self.text[self.at : end] if end >= 0 else ""
        inner = inner.removeprefix("^")
        if not inner or any(c in inner for c in "[\\^") or "--" in inner:
            raise InvalidPattern("A class looks like [a-z0-9_]; ^ [ ] and \\ may not stand inside.")
        for i, char in enumerate(inner):
            if char == "-" and 0 < i < len(inner) - 1 and not _is_range(inner[i - 1], inner[i + 1]):
                raise InvalidPattern("A range in a class runs within a-z, A-Z or 0-9.")
        if inner.count("-") and inner[0] == "-":
            raise InvalidPattern("Put - last in a class.")
        self.at = end + 1


def _is_range(low: str, high: str) -> bool:
    return low < high and any(low in group and high in group for group in (_DIGITS, _LOWER, _UPPER))


_DIGITS, _LOWER, _UPPER = "0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def for_python(pattern: str) -> str:
    """`$` is the very end in PostgreSQL; Python says \\Z for that."""
    return _unescaped_dollar(pattern, r"\Z")


def for_sql(pattern: str) -> str:
    """PostgreSQL's own syntax: told not to read the pattern as anything else (`***:`)."""
    return f"***:{pattern}"


def _unescaped_dollar(pattern: str, end: str) -> str:
    out, in_class, skip = [], False, False
    for char in pattern:
        if skip:
            out.append(char)
            skip = False
            continue
        skip = char == "\\"
        in_class = (in_class or char == "[") and char != "]"
        out.append(end if char == "$" and not in_class else char)
    return "".join(out)
