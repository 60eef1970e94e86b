"""One request and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

LARGEST_HEAD = 32 * 1024

_NAME = re.compile(r"[A-Za-z0-9-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

Proved = Literal["answered", "never_sent", "not_begun", "unknown", "unsafe"]


class Post(msgspec.Struct, frozen=True):
    """One request, a POST unless `method` says otherwise. `url` is the receiver's; headers are ours.

    `http2_only`: nothing is sent to a server that does not speak HTTP/2.
    """

    url: str
    headers: Mapping[str, str]
    body: bytes
    http2_only: bool = False
    method: str = "POST"


class Answer(msgspec.Struct, frozen=True):
    """What is known of one request afterwards.

    answered: status, headers (names in lower case) and the body up to its limit, less where it broke off.
    never_sent: no byte of it left us, or the receiver proved that it was not processed. not_begun: the deadline or the
    lease had passed before we tried. unsafe: the address may not be contacted. unknown: anything else.
    """

    proved: Proved
    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    detail: str = ""


class InvalidHeader(ValueError):
    """A header of ours would break out of its line, or is not text that HTTP can carry."""


def check_header(name: str, value: str) -> None:
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise InvalidHeader(f"The header {name[:40]!r} has a character that may not be sent.")


class Exchange:
    """A request on its way. `began`: a byte of it may have left us."""

    __slots__ = ("answer", "began", "body", "headers", "largest", "path", "post", "repeated", "status")

    def __init__(self, post: Post, path: str, largest: int) -> None:
        self.post = post
        self.path = path
        self.largest = largest
        self.began = self.repeated = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.answer: Answer | None = None

    def hear(self, status: int, headers: dict[str, str]) -> None:
        self.status, self.headers = status, headers

    def take(self, data: bytes) -> bool:
        """A piece of the answer's body; whether more is wanted."""
        self.body += data
        if len(self.body) > self.largest:
            del self.body[self.largest :]
            return False
        return True

    def finish(self) -> None:
        if self.answer is None:
            self.answer = Answer("answered", self.status, self.headers, bytes(self.body))

    def end(self, proved: Proved, detail: str) -> None:
        """No more will come. An answer whose head was heard stands: a body that breaks off changes nothing."""
        if self.status:
            self.finish()
        elif self.answer is None:
            self.answer = Answer(proved, detail=detail[:300])

    def lose(self, detail: str) -> None:
        """The connection is gone."""
        self.end("unknown" if self.began else "never_sent", detail)
