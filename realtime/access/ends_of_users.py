"""Signed notifications that close all streams of a user.

`NOTIFY` needs no privilege, and a user's key is easily guessed. A forged notification of another
kind causes at worst a needless check, but this kind closes streams whose user may still read.
"""

from collections.abc import Collection

from django.core.signing import BadSignature, TimestampSigner

# How old a signature may be. The clocks of two servers may differ by as much.
VALID_SECONDS = 300


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="realtime.ends_of_users")


def signed(user: str) -> str:
    """The signed value of a notification that closes a user's streams. user: the user's key."""
    return _signer().sign(user)


class EndsOfUsers:
    """The signatures that a process has received. Each counts once: a listener could replay it."""

    def __init__(self) -> None:
        # The time at which each was received, from the oldest to the newest.
        self._heard: dict[str, float] = {}

    def genuine(self, values: Collection[str], users: Collection[str], now: float) -> set[str]:
        """The users whose streams have to be closed.

        values: the signed values that were received. users: the keys of users with streams here.
        now: the time in seconds, by any clock that doesn't stand still.
        """
        while self._heard and now - next(iter(self._heard.values())) > 2 * VALID_SECONDS:
            del self._heard[next(iter(self._heard))]
        ended = set()
        for value in values:
            if value in self._heard or value.rsplit(":", 2)[0] not in users:
                continue
            try:
                user = _signer().unsign(value, max_age=VALID_SECONDS)
            except BadSignature:
                continue
            self._heard[value] = now
            ended.add(user)
        return ended
