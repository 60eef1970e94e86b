"""Filters that write for one person: dates in their zone, numbers and money as their language has them."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError, dates, numbers
from liquid.exceptions import FilterArgumentError

LENGTHS = ("short", "medium", "long", "full")
# No width: "%99999999d" would make a text of that length.
FORMAT = re.compile(r"(?:[^%]|%[-0^]?[A-Za-z%])*")
FORMAT_LENGTH = 100


def date(value: Any, form: Any = "medium", zone: Any = None, *, facts: Mapping[str, Any]) -> str | None:
    """A date in the profile's zone and language: 'short', 'medium', 'long', 'full', 'time', or a pattern: '%d.%m.%Y'.

    None, which counts as missing, for what is no date. 'now' is the moment of sending.
    """
    moment = _moment(value, facts)
    if moment is None:
        return None
    profile = _profile(facts)
    if isinstance(moment, dt.datetime):
        moment = moment.astimezone(_zone(str(zone or profile.get("zone"))))
    if form in LENGTHS:
        return dates.format_date(moment, format=form, locale=_locale(str(profile.get("locale"))))
    if form == "time":
        if not isinstance(moment, dt.datetime):
            return None
        return dates.format_time(moment, format="short", locale=_locale(str(profile.get("locale"))))
    if not isinstance(form, str) or len(form) > FORMAT_LENGTH or not FORMAT.fullmatch(form):
        raise FilterArgumentError("a date pattern looks like '%d.%m.%Y', or is short, medium, long, full", token=None)
    return moment.strftime(form)


def money(value: Any, currency: Any = None, *, facts: Mapping[str, Any]) -> str | None:
    """An amount in a currency ('EUR'), as the profile's language writes it. None for what is no number."""
    amount = _number(value)
    if amount is None:
        return None
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        raise FilterArgumentError("money needs a currency, such as | money: 'EUR'", token=None)
    return numbers.format_currency(amount, currency, locale=_locale(str(_profile(facts).get("locale"))))


def number(value: Any, digits: Any = None, *, facts: Mapping[str, Any]) -> str | None:
    """A number as the profile's language writes it, with so many decimals. None for what is no number."""
    amount = _number(value)
    if amount is None:
        return None
    if digits is not None:
        if not isinstance(digits, int) or not 0 <= digits <= 10:
            raise FilterArgumentError("number takes 0 to 10 decimals", token=None)
        amount = round(amount, digits)
    pattern = None if digits is None else "#,##0" + ("." + "0" * digits if digits else "")
    return numbers.format_decimal(amount, format=pattern, locale=_locale(str(_profile(facts).get("locale"))))


LOCAL: dict[str, Callable[..., Any]] = {"date": date, "money": money, "number": number}


def _profile(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    profile = facts.get("profile")
    return profile if isinstance(profile, dict) else {}


def _moment(value: Any, facts: Mapping[str, Any]) -> dt.date | None:
    if value in ("now", "today"):
        value = facts.get("now")
    if isinstance(value, dt.datetime):
        return value if value.tzinfo else value.replace(tzinfo=dt.UTC)
    if isinstance(value, dt.date):
        return value
    try:
        if isinstance(value, str):
            text = value.strip()
            if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
                return dt.date.fromisoformat(text)
            moment = dt.datetime.fromisoformat(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return dt.datetime.fromtimestamp(value, dt.UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    if isinstance(value, str) and len(value) > 30:
        return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) <= 10**15 else None


@functools.lru_cache(maxsize=512)
def _zone(name: str) -> dt.tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, TypeError, OSError):
        return dt.UTC


@functools.lru_cache(maxsize=512)
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return Locale("en")
