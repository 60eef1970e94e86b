"""Bodies of the tracking API: JSON under any content type, perhaps gzipped, never larger than they may be."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec
from django.http import HttpRequest

from audiences.calls import Malformed, whole_characters
from console.tracking.refusals import Refused, malformed, too_large

LARGEST_BODY = 500 * 1024
TOO_LARGE = f"A request may have {LARGEST_BODY // 1024} KB at most, unpacked. Send smaller batches."

Said = TypeVar("Said")


def body(request: HttpRequest) -> bytes:
    """The request's body, unpacked. Raises Refused with 413 before anything larger than allowed is held."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length > LARGEST_BODY:
        raise too_large(TOO_LARGE)
    data = request.body
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "")
    if not encoding or encoding.lower() == "identity":
        return data
    if encoding.lower() != "gzip":
        raise Refused(415, "unknown_encoding", "Content-Encoding may be gzip or absent.")
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, LARGEST_BODY + 1)
    except zlib.error:
        raise malformed("", "The body is not gzip, although Content-Encoding says so.") from None
    if len(plain) > LARGEST_BODY:
        raise too_large(TOO_LARGE)
    if not unpacker.eof:
        raise malformed("", "The gzipped body ends too early.")
    return plain


def decoded(data: bytes, decoder: msgspec.json.Decoder[Said]) -> Said:
    """The body as the decoder's type. Raises Refused with the path of what is wrong."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as problem:
        bad = Malformed.of(problem)
        raise malformed(bad.path, bad.reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        if (mended := whole_characters(data)) != data:
            return decoded(mended, decoder)
        raise malformed("", f"The body is not JSON: {problem}.") from None
    except RecursionError:
        raise malformed("", "The body is nested too deeply.") from None
