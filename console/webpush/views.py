"""What a site embeds: the script for its pages, the service worker, and what both must know of us."""

from __future__ import annotations

import gzip
import json
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path

from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.utils.http import parse_etags, quote_etag
from django.views.decorators.http import require_safe

from console.tracking.door import endpoint
from console.tracking.keys import source_of
from console.tracking.refusals import Refused, answer
from console.webpush.words import prompt
from delivery.models import Credential, SendingRules

FOLDER = Path(__file__).resolve().parent.parent / "static" / "console" / "webpush"
NOTHING_ELSE = {"default-src": ["'none'"], "base-uri": ["'none'"], "frame-ancestors": ["'none'"]}


@csp(NOTHING_ELSE)
@require_safe
def widget(request: HttpRequest) -> HttpResponse:
    """heed.js, for a script tag on any site. An hour old at most, so that a fix reaches every page within the hour."""
    response = _script(request, _text("heed.js"))
    response["Cache-Control"] = "public, max-age=3600, stale-while-revalidate=86400"
    return response


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """heed-sw.js, imported by the site's own worker or, on our own pages, registered as it is.

    Its first line says where receipts go: the address that it was fetched from, and the site's canonical one.
    """
    hosts = _hosts(request)
    response = _script(request, f"self.heedHosts = {json.dumps(hosts)};\n{_text('heed-sw.js')}")
    response["Cache-Control"] = "no-cache"
    response["Service-Worker-Allowed"] = "/"
    # A worker lives under the policy of its own script: it talks to us and to nobody else, and shows any picture.
    policy = {**NOTHING_ELSE, "connect-src": ["'self'", *hosts], "img-src": ["'self'", "https:", "data:", *hosts]}
    return csp(policy)(lambda _: response)(request)


@endpoint("GET")
def config(request: HttpRequest) -> HttpResponse:
    """The key to subscribe with (None before there is a credential), the site's name and the soft prompt's words."""
    source = source_of(request, request.GET.get("key"))
    if source.is_trusted:
        raise Refused(401, "secret_key", "This is a server's secret key: pages carry the key of a website source.")
    credential = Credential.objects.filter(gateway="webpush", retired_at=None).order_by("-pk").first()
    name = SendingRules.current().site_name
    response = answer(
        {
            "publicKey": credential.public_key if credential else None,
            "siteName": name,
            "prompt": prompt(name),
        }
    )
    response["Cache-Control"] = "public, max-age=300"
    patch_vary_headers(response, ["Origin"])
    return response


def _hosts(request: HttpRequest) -> list[str]:
    scheme = settings.HEED_BASE_URL.partition("://")[0]
    return list(dict.fromkeys([f"{scheme}://{request.get_host()}", settings.HEED_BASE_URL]))


def _script(request: HttpRequest, text: str) -> HttpResponse:
    """The script for everybody, gzipped where the browser takes it, not at all where it has it."""
    plain, packed, etag = _packed(text)
    is_packed = "gzip" in request.META.get("HTTP_ACCEPT_ENCODING", "")
    etag = quote_etag(f"{etag}-gzip" if is_packed else etag)
    response: HttpResponse
    if etag in parse_etags(request.META.get("HTTP_IF_NONE_MATCH", "")):
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(packed if is_packed else plain, content_type="text/javascript; charset=utf-8")
        if is_packed:
            response["Content-Encoding"] = "gzip"
    response["ETag"] = etag
    # Sites embed it from other origins, some with `crossorigin` and an integrity hash, some isolated (COEP).
    response["Access-Control-Allow-Origin"] = "*"
    response["Cross-Origin-Resource-Policy"] = "cross-origin"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def _text(name: str) -> str:
    path = FOLDER / name
    return _read(path, path.stat().st_mtime_ns)


@cache
def _read(path: Path, changed: int) -> str:
    return path.read_text()


@lru_cache(maxsize=32)
def _packed(text: str) -> tuple[bytes, bytes, str]:
    plain = text.encode()
    return plain, gzip.compress(plain, mtime=0), sha256(plain).hexdigest()[:20]
