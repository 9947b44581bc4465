"""Ends of users: the word that all streams of a user are to be closed, signed by one of our own.

`NOTIFY` takes no privilege, and a user's key is easily guessed. Whatever else is notified causes a
look at who may read, at worst one too many; this closes streams of somebody who may.
"""

from collections.abc import Collection

from django.core.signing import BadSignature, TimestampSigner

# How old one may be: by as much may the clocks of two servers differ.
VALID_SECONDS = 300


def _signer() -> TimestampSigner:
    return TimestampSigner(salt="realtime.ends_of_users")


def signed(user: str) -> str:
    """What is notified, once, to close the streams of a user, by key."""
    return _signer().sign(user)


class EndsOfUsers:
    """What one process has heard of them. Each counts once: whoever overhears it may repeat it."""

    def __init__(self) -> None:
        # From the oldest to the newest, with when it was heard.
        self._heard: dict[str, float] = {}

    def genuine(self, values: Collection[str], users: Collection[str], now: float) -> set[str]:
        """The users, of those given, whose streams are to be closed by what has been notified now.

        users: who has streams here. now: a time in seconds by any clock that doesn't stand still.
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
