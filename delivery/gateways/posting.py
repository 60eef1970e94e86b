"""Posting a batch: what is the same for every gateway."""

from __future__ import annotations

import datetime as dt
import email.utils
import logging
import time
from collections.abc import Callable, Sequence

from delivery.gateways.access import Access
from delivery.gateways.base import Action, Letter, Outcome
from delivery.http import DEADLINE, Answer, Client, Post

log = logging.getLogger(__name__)
SKEW = dt.timedelta(minutes=1)
SAY_AGAIN = 600.0


class Posting:
    """Posts letters with the one client, and minds the gateway's clock. Thread-safe."""

    def __init__(self, client: Client, *, name: str, deadline: float = DEADLINE) -> None:
        self._client = client
        self._name = name
        self._deadline = deadline
        self._said_at = -SAY_AGAIN

    def each(
        self,
        letters: Sequence[Letter],
        make: Callable[[Letter], Post | Outcome],
        *,
        now: dt.datetime,
        until: float | None,
    ) -> list[Answer | Outcome]:
        """Make and post each letter; what is known of it, in order. What cannot be made keeps nobody back."""
        ends: list[Answer | Outcome | None] = [None] * len(letters)

        def maker(place: int) -> Callable[[], Post | None]:
            def run() -> Post | None:
                try:
                    made = make(letters[place])
                except Exception as problem:
                    made = Outcome(Action.FIX, "unsendable", detail=type(problem).__name__)
                if isinstance(made, Outcome):
                    ends[place] = made
                    return None
                return made

            return run

        if not letters:
            return []
        began = time.monotonic()
        answers = self._client.post_each(
            [maker(place) for place in range(len(letters))], deadline=self._deadline, until=until
        )
        self._compare_clocks(answers, now + dt.timedelta(seconds=time.monotonic() - began))
        return [answer if end is None else end for answer, end in zip(answers, ends, strict=True)]

    def _compare_clocks(self, answers: Sequence[Answer], now: dt.datetime) -> None:
        if time.monotonic() < self._said_at + SAY_AGAIN:
            return
        said = next((answer.headers.get("date", "") for answer in answers if answer.proved == "answered"), "")
        try:
            skew = email.utils.parsedate_to_datetime(said) - now
        except (TypeError, ValueError):
            return
        if abs(skew) > SKEW:
            self._said_at = time.monotonic()
            log.warning(
                "%s's clock is %.0f s %s ours (the database's): tokens that are signed by a wrong clock are refused",
                self._name,
                abs(skew).total_seconds(),
                "ahead of" if skew > dt.timedelta() else "behind",
            )


class TokenPosting(Posting):
    """For gateways that take an access token: without one nothing is begun; one that is refused is minted anew."""

    def __init__(self, client: Client, *, access: Access, name: str, deadline: float = DEADLINE) -> None:
        super().__init__(client, name=name, deadline=deadline)
        self._access = access

    def prepare(self, *, now: dt.datetime) -> None:
        self._access.prepare(now=now)

    def fetch(self, *, now: dt.datetime) -> None:
        self._access.fetch(now=now)

    def outcomes(
        self,
        letters: Sequence[Letter],
        make: Callable[[Letter, str], Post | Outcome],
        read: Callable[[Answer, dt.datetime], Outcome],
        *,
        now: dt.datetime,
        until: float | None = None,
    ) -> list[Outcome]:
        """Make each letter with the token, post it, and read its answer. One outcome each, in order."""
        token = self._access.current(now=now)
        if isinstance(token, Outcome):
            return [token] * len(letters)
        answers = self.each(letters, lambda letter: make(letter, token), now=now, until=until)
        outcomes = [one if isinstance(one, Outcome) else read(one, now) for one in answers]
        if any(outcome.action == Action.RENEW for outcome in outcomes):
            self._access.refuse(token)
        return outcomes
