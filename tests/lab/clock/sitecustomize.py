"""Shifts the clock of a Python process by LAB_CLOCK_OFFSET seconds: this folder stands on its PYTHONPATH.

What is shifted: time.time, time.time_ns, time.localtime and time.gmtime without a moment, datetime.now, datetime.utcnow,
datetime.today and date.today. What is not: monotonic clocks, which no wrong clock touches either, and clocks that compiled code reads by
itself (the web server's, the database's).
"""

import datetime as _datetime
import os
import time as _time

_OFFSET = float(os.environ.get("LAB_CLOCK_OFFSET", "0"))


def _shift() -> None:
    time, time_ns, localtime, gmtime = _time.time, _time.time_ns, _time.localtime, _time.gmtime
    _time.time = lambda: time() + _OFFSET
    _time.time_ns = lambda: time_ns() + int(_OFFSET * 1e9)
    _time.localtime = lambda moment=None: localtime(_time.time() if moment is None else moment)
    _time.gmtime = lambda moment=None: gmtime(_time.time() if moment is None else moment)
    real, real_date = _datetime.datetime, _datetime.date
    distance = _datetime.timedelta(seconds=_OFFSET)

    class Meta(type):
        """What is a datetime is one of these."""

        def __instancecheck__(cls, one):
            return isinstance(one, real if cls is Shifted else real_date)

    class Shifted(real, metaclass=Meta):
        @classmethod
        def now(cls, tz=None):
            return real.now(tz) + distance

        @classmethod
        def utcnow(cls):
            return real.now(_datetime.UTC).replace(tzinfo=None) + distance

        @classmethod
        def today(cls):
            return cls.now()

    _datetime.datetime = Shifted


if _OFFSET:
    _shift()
