"""How long a server wishes to be left alone: the field Retry-After (RFC 9110, section 10.2.3)."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST = 86_400.0


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds from `now` (Unix time), 0 to a day; None where the field is missing or says nothing.

    It is a whole number of seconds or an HTTP date.
    """
    if value is None or len(value) > 64 or not value.isascii():
        return None
    if value.isdigit():
        return min(float(value), LONGEST)
    try:
        date = parsedate_to_datetime(value)
        seconds = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST)
