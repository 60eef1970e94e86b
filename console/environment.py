"""Reading settings from the environment: each refusal is one line that says what to set."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from redis.connection import parse_url

Amount = TypeVar("Amount", int, float)


def refuse(name: str, problem: str) -> NoReturn:
    """End the start with one line."""
    sys.exit(f"heed: {name} {problem}")


def text(name: str, default: str) -> str:
    return os.environ.get(name, "").strip() or default


def number(name: str, default: float, *, least: float, most: float) -> float:
    return _number(name, default, float, f"a number from {least:,g} to {most:,.12g}", least=least, most=most)


def whole(name: str, default: int, *, least: int, most: int) -> int:
    return _number(name, default, int, f"a whole number from {least} to {most}", least=least, most=most)


def _number(name: str, default: Amount, kind: type[Amount], wanted: str, *, least: Amount, most: Amount) -> Amount:
    said = text(name, str(default))
    try:
        value = kind(said)
    except ValueError:
        refuse(name, f"is {said!r}: set {wanted}.")
    if not least <= value <= most:
        refuse(name, f"is {said}: set {wanted}.")
    return value


def choice(name: str, default: str, choices: Collection[str]) -> str:
    said = text(name, default).upper()
    if said not in choices:
        refuse(name, f"is {said!r}: set one of {', '.join(choices)}.")
    return said


def switch(name: str) -> bool:
    said = text(name, "0").lower()
    if said not in {"0", "1", "true", "false", "yes", "no", "on", "off"}:
        refuse(name, f"is {said!r}: set 1 or 0.")
    return said in {"1", "true", "yes", "on"}


def names(name: str) -> list[str]:
    return [part.strip() for part in text(name, "").split(",") if part.strip()]


def origin(name: str, said: str) -> str:
    """`scheme://host[:port]` in lower case, without a path."""
    parts = urlsplit(said)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or port == -1:
        refuse(name, f"has {said!r}: an origin looks like https://push.example.com or http://127.0.0.1:8080.")
    default = {"http": 80, "https": 443}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port and port != default else "")


def origins(name: str) -> tuple[str, ...]:
    return tuple(origin(name, said) for said in names(name))


def one_origin(name: str, default: str) -> str:
    return origin(name, text(name, default))


def file(name: str) -> Path | None:
    """A file that can be read, or None where the variable is empty."""
    said = text(name, "")
    if said and not os.access(said, os.R_OK):
        refuse(name, f"is {said!r}, which cannot be read: give the path of a file.")
    return Path(said) if said else None


def kept_secret(name: str, path: Path, *, size: int = 32) -> str:
    """The variable, or a random value made once in the data folder, readable by its owner alone."""
    if said := text(name, ""):
        return said
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        file.write(value := secrets.token_hex(size))
    return value


def keys(name: str, path: Path) -> dict[str, str]:
    """Keys for secrets at rest by their id, newest first: `id:hex,id:hex`, or one made in the data folder."""
    found = {}
    said = kept_secret(name, path)
    for part in (said if ":" in said else f"k1:{said}").split(","):
        key_id, _, value = part.strip().partition(":")
        if not re.fullmatch(r"[a-z0-9]{1,16}", key_id) or not re.fullmatch(r"[0-9a-f]{64}", value):
            refuse(name, "must be id:key pairs, newest first; an id is a few letters, a key 64 hexadecimal digits.")
        found[key_id] = value
    return found


def database(url: str) -> dict[str, object]:
    """Django's DATABASES entry for postgresql://user:password@host:port/name?option=value."""
    try:
        parts = urlsplit(url)
        is_ours = parts.scheme in {"postgres", "postgresql"} and parts.path.strip("/") and parts.port != 0
    except ValueError:
        is_ours = False
    if not is_ours:
        refuse("DATABASE_URL", "must look like postgresql://user:password@host:5432/name.")
    options = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    return {
        "ENGINE": "console.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", "") or unquote(parts.hostname or ""),
        "PORT": options.pop("port", "") or str(parts.port or ""),
        "OPTIONS": options,
    }


def redis(url: str) -> str:
    """The address of a Redis, as redis-py takes it."""
    try:
        parse_url(url)  # type: ignore[no-untyped-call]
    except ValueError:
        refuse("REDIS_URL", "must look like redis://127.0.0.1:6379/0, rediss://... or unix:///path/to/redis.sock.")
    return url
