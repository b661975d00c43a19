"""Cron expressions and time zones as people write them: what is read in another form, and advice on what is not. Pure.

`service.schedules.instants` reads the plain form, which is the one that is stored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from ablate.errors import nearest, quote
from ablate.names import plain

MACROS = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
"""The macros of crontab."""
LONG_NAMES = re.compile(
    r"\b(january|february|march|april|june|july|august|september|october|november|december"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday)s?\b",
    re.IGNORECASE,
)
ALLOWED = "allowed: IANA names such as UTC, Europe/Berlin, Asia/Kolkata"
OFFSET = re.compile(r"(?:UTC|GMT|Z)?\s*([+-])\s*(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
"""A distance from UTC, such as `UTC+2`, `GMT-03:30` and `+02:00`."""
CITIES = {
    -8: "America/Los_Angeles", -7: "America/Denver", -6: "America/Chicago", -5: "America/New_York",
    -3: "America/Sao_Paulo", 0: "Europe/London", 1: "Europe/Berlin", 2: "Europe/Helsinki", 3: "Europe/Istanbul",
    4: "Asia/Dubai", 5: "Asia/Karachi", 5.5: "Asia/Kolkata", 7: "Asia/Bangkok", 8: "Asia/Shanghai", 9: "Asia/Tokyo",
    10: "Australia/Sydney", 12: "Pacific/Auckland",
}  # fmt: skip
"""Hours ahead of UTC, in winter -> a city."""
ABBREVIATIONS = {
    "pst": -8, "pdt": -8, "mdt": -7, "cst": -6, "cdt": -6, "edt": -5, "bst": 0, "cest": 1, "eest": 2, "ist": 5.5,
    "jst": 9, "aest": 10, "aedt": 10, "nzst": 12, "nzdt": 12,
}  # fmt: skip
"""Abbreviation of a local time that is no name of a zone -> hours ahead of UTC, in winter."""


def plain_cron(cron: str) -> str:
    """A cron expression in its plain form: five fields with one space between them.

    Any white space separates fields, as in crontab; its macros are expanded; `?` means any, as in Quartz; names of
    months and weekdays may be written out.
    """
    fields = cron.split()
    text = MACROS.get(cron.strip().lower(), " ".join("*" if field == "?" else field for field in fields))
    return LONG_NAMES.sub(lambda name: name[1][:3].upper(), text)


def cron_advice(cron: str) -> str:
    """Why a plain cron expression is not one, as far as its form tells; empty if it does not."""
    if cron.startswith("@reboot"):
        return "'@reboot' is no time of day; use a time, such as '0 2 * * *' (02:00 each day)"
    if cron.startswith("@"):
        return f"there is no macro {quote(cron)}{nearest(cron, MACROS)}"
    if "=" in cron:
        return "has an '='; give the time zone in 'tz' (--tz), and five fields alone here"
    if re.fullmatch(r"[\w*/,#-]+( [\w*/,#-]+){5}", cron):
        return "has 6 fields; leave out the seconds, which come first in some tools, or the year, which comes last"
    return ""


def zone_advice(tz: str, zones: Collection[str]) -> str:
    """The clause on what to give in the place of an unknown time zone."""
    names = sorted(zones)
    if found := OFFSET.fullmatch(tz.strip()):
        return _offset_advice(found[1], int(found[2]), int(found[3] or 0), names)
    if (hours := ABBREVIATIONS.get(plain(tz))) is not None:
        return f"; give a city, such as {CITIES[hours]}"
    same = [zone for zone in names if plain(zone) == plain(tz)]
    cities = [zone for zone in names if plain(zone.rsplit("/", 1)[-1]) == plain(tz)]
    near = f"; did you mean '{(same or cities)[0]}'?" if same or cities else nearest(tz, names)
    return near if near.startswith("; did") else f"; {ALLOWED}"


def _offset_advice(sign: str, hours: int, minutes: int, zones: Sequence[str]) -> str:
    ahead = (hours + minutes / 60) * (1 if sign == "+" else -1)
    if not ahead:
        return "; did you mean 'UTC'?"
    city = f"a city, such as {CITIES[ahead]}, follows its clock changes" if ahead in CITIES else ALLOWED
    fixed = f"Etc/GMT{'-' if sign == '+' else '+'}{hours}"
    if minutes or fixed not in zones:
        return f"; {city}"
    where = "ahead of" if sign == "+" else "behind"
    return f"; {hours} h {where} UTC is '{fixed}', since these names have the sign reversed; {city}"
