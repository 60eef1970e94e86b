"""A gateway's access token: minted by one worker at a time, used by all of them, renewed before it ends.

The lock on its row is the single flight, for the workers of every host. Its clock is the database's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import psycopg.errors
from django.db import OperationalError, connection, transaction

from audiences.sealing import Unsealable, seal, unseal
from delivery.gateways.base import Action, Outcome
from delivery.models import AccessToken

PURPOSE = "access token"
PATIENCE = dt.timedelta(seconds=30)
"""After a failed try nobody tries again for so long."""
LONGEST_MINT = 12.0
"""Seconds: whoever is at it for longer (frozen, cut off) is not waited for, lest the lease of what waits here should end."""


@dataclass(frozen=True, slots=True)
class Minted:
    """A new token: when it should be renewed and how long it is good, counted from the moment it was minted."""

    text: str
    renew_after: dt.timedelta
    lasts: dt.timedelta


class NotMinted(Exception):
    """There is no new token. `was_refused`: we are not known, so trying again changes nothing."""

    def __init__(self, problem: str, *, was_refused: bool) -> None:
        super().__init__(problem[:300])
        self.was_refused = was_refused


@dataclass(frozen=True, slots=True)
class Token:
    text: str
    renew_at: dt.datetime
    expires_at: dt.datetime


class Access:
    """What one worker holds of a token. `apart`: the least time between two tokens of the same holder."""

    def __init__(
        self, holder: str, mint: Callable[[dt.datetime], Minted], *, apart: dt.timedelta | None = None
    ) -> None:
        self._holder = holder
        self._mint = mint
        self._apart = apart or dt.timedelta()
        self._token: Token | None = None
        self._refused = ""
        self._hindrance = Outcome(Action.NOT_BEGUN, "token_unavailable", wait=PATIENCE.total_seconds())

    def current(self, *, now: dt.datetime) -> str | Outcome:
        """The token, or what becomes of every push without one. Any thread."""
        token = self._token
        return token.text if token and self._is_good(token, now) else self._hindrance

    def refuse(self, text: str) -> None:
        """The gateway does not take this one, although its time is not over. Any thread; the next `prepare` acts."""
        self._refused = text

    def prepare(self, *, now: dt.datetime) -> None:
        """Have a token that is good for a while, or know why not. No query while ours is young; else one, or a new
        token under the row's lock."""
        if self._is_young(self._token, now):
            return
        row = AccessToken.objects.filter(holder=self._holder).first()
        if row is None:
            AccessToken.objects.bulk_create([AccessToken(holder=self._holder)], ignore_conflicts=True)
        elif self._is_young(found := _token_of(row), now):
            self._token = found
            return
        try:
            with transaction.atomic():
                self._renew_alone(now)
        except OperationalError as problem:
            if not isinstance(problem.__cause__, psycopg.errors.LockNotAvailable):
                raise
            self._hindrance = _without_token("another worker has been at it for too long", was_refused=False)

    def fetch(self, *, now: dt.datetime) -> None:
        """The same for a trial: what failed before is tried again at once, no lock is held and no transaction is open
        while the mint answers, and a failure is nobody else's."""
        row = AccessToken.objects.filter(holder=self._holder).first()
        self._token = (_token_of(row) if row else None) or self._token
        if self._is_young(self._token, now):
            return
        try:
            minted = self._mint(now)
        except NotMinted as problem:
            self._hindrance = _without_token(str(problem), was_refused=problem.was_refused)
            return
        AccessToken.objects.bulk_create([AccessToken(holder=self._holder)], ignore_conflicts=True)
        with transaction.atomic():
            # Who holds it is minting one for all: ours is for the trial alone then.
            row = AccessToken.objects.select_for_update(skip_locked=True).filter(holder=self._holder).first()
            self._take(minted, row or AccessToken(), now)
            if row is not None:
                row.save()

    def _renew_alone(self, now: dt.datetime) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LONGEST_MINT * 1000:.0f}"])
        # While ours is still good, whoever is at it need not be waited for.
        free = AccessToken.objects.select_for_update(skip_locked=bool(self._token and self._is_good(self._token, now)))
        row = free.filter(holder=self._holder).first()
        if row is not None:
            self._renew(row, now)

    def _renew(self, row: AccessToken, now: dt.datetime) -> None:
        self._token = _token_of(row) or self._token
        if self._is_young(self._token, now):
            return
        if row.minted_at and now < row.minted_at + self._apart:
            wait = (row.minted_at + self._apart - now).total_seconds()
            self._hindrance = Outcome(Action.NOT_BEGUN, "token_refused", wait=wait, detail="a new one is not due yet")
            return
        if row.failed_at is None or now >= row.failed_at + PATIENCE:
            try:
                minted = self._mint(now)
            except NotMinted as problem:
                row.failed_at, row.was_refused, row.problem = now, problem.was_refused, str(problem)
            else:
                self._take(minted, row, now)
            row.save()
        if row.failed_at is not None:
            self._hindrance = _without_token(row.problem, was_refused=row.was_refused)

    def _take(self, minted: Minted, row: AccessToken, now: dt.datetime) -> None:
        self._token = Token(minted.text, now + minted.renew_after, now + minted.lasts)
        row.sealed = seal(minted.text.encode(), purpose=PURPOSE)
        row.minted_at, row.renew_at, row.expires_at = now, self._token.renew_at, self._token.expires_at
        row.failed_at, row.was_refused, row.problem = None, False, ""

    def _is_good(self, token: Token, now: dt.datetime) -> bool:
        return now < token.expires_at and token.text != self._refused

    def _is_young(self, token: Token | None, now: dt.datetime) -> bool:
        return token is not None and now < token.renew_at and self._is_good(token, now)


def _without_token(problem: str, *, was_refused: bool) -> Outcome:
    if was_refused:
        return Outcome(Action.PAUSE, "unauthorized", detail=problem)
    return Outcome(Action.NOT_BEGUN, "token_unavailable", detail=problem, wait=PATIENCE.total_seconds())


def holder_of(gateway: str, account: str, secret: bytes) -> str:
    """Who a token is for. Another key of the same account gets a token of its own."""
    return f"{gateway}:{account[:300]}:{sha256(secret).hexdigest()[:16]}"


def _token_of(row: AccessToken) -> Token | None:
    if not row.expires_at or not row.renew_at:
        return None
    try:
        text = unseal(row.sealed, purpose=PURPOSE).decode()
    except Unsealable:
        return None  # sealed under a key that is gone: a new one is minted
    return Token(text, row.renew_at, row.expires_at)
