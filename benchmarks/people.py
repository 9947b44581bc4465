"""Who reads the streams: customers with orders of their own, and staff who see all of them.

Imported when Django is set up.
"""

from collections.abc import Sequence

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from rest_framework_simplejwt.tokens import AccessToken

from realtime import conf

from .streams import Request

PATH = "/orders/realtime"
UNUSABLE_PASSWORD = "!benchmark"


def customers(count: int) -> list[User]:
    return _people("customer", count)


def staff(count: int) -> list[User]:
    """Who may ask for everybody's orders."""
    people = _people("staff", count)
    may_view = Permission.objects.get(codename="view_order")
    may_view.user_set.add(*people)
    return people


def _people(kind: str, count: int) -> list[User]:
    users = get_user_model().objects
    names = [f"{kind}-{number}" for number in range(count)]
    known = set(users.filter(username__in=names).values_list("username", flat=True))
    # Only those that are not there: ignore_conflicts would leave holes between the primary keys,
    # from which pgbench chooses (measurements/checkout.py).
    users.bulk_create(
        User(username=name, password=UNUSABLE_PASSWORD) for name in names if name not in known
    )
    return list(users.filter(username__in=names).order_by("pk"))


def whole_stream(count: int, *, after: str | None = None) -> list[Request]:
    """So many streams of all orders, of few people, none with more than half of what one may have:
    two programs may ask for them at a time."""
    each = conf.get("MAX_STREAMS_PER_USER") // 2
    authorizations = [_authorization(user) for user in staff(-(-count // each))]
    cursor = () if after is None else (f"Last-Event-ID: {after}",)
    return [
        Request(f"{PATH}?scope=all", (authorizations[number // each], *cursor))
        for number in range(count)
    ]


def own_streams(users: Sequence[User], *, after: str | None = None) -> list[Request]:
    """A stream for each of these, of their own orders."""
    cursor = () if after is None else (f"Last-Event-ID: {after}",)
    return [Request(PATH, (_authorization(user), *cursor)) for user in users]


def _authorization(user: User) -> str:
    return f"Authorization: Bearer {AccessToken.for_user(user)}"
