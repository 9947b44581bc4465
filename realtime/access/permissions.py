"""Permissions of many users at once, where Django's own rules decide about them."""

from collections.abc import Collection
from typing import Any

from django.contrib import auth


def holders(users: Collection[Any], permission: str) -> set[Any]:
    """The primary keys of the users who hold a permission, as `has_perm` says of each.

    With Django's own backend that is one query for all; with one that decides otherwise, or a
    user model that does, `has_perm` is asked for each user.
    """
    backends: list[Any] = [one for one in auth.get_backends() if hasattr(one, "has_perm")]
    if len(users) < 2 or not _goes_by_djangos_rules(backends, users):
        return {user.pk for user in users if user.has_perm(permission)}
    keys = {user.pk for user in users}
    holding: set[Any] = set()
    for backend in backends:
        holding.update(
            backend.with_perm(permission).filter(pk__in=keys).values_list("pk", flat=True)
        )
    return holding


def _goes_by_djangos_rules(backends: list[Any], users: Collection[Any]) -> bool:
    # Imported here: these need the models, which are loaded later than this.
    from django.contrib.auth.backends import ModelBackend
    from django.contrib.auth.models import PermissionsMixin

    rules = [name for name in vars(ModelBackend) if "perm" in name]
    return all(
        getattr(type(backend), name, None) is getattr(ModelBackend, name)
        for backend in backends
        for name in rules
    ) and all(getattr(type(user), "has_perm", None) is PermissionsMixin.has_perm for user in users)
