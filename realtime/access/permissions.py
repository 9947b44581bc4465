"""The permissions of many users by one query, where Django's own rules decide."""

from collections.abc import Collection
from typing import Any

from django.contrib import auth


def holders(users: Collection[Any], permission: str) -> set[Any]:
    """The primary keys of the users who hold a permission, as `has_perm` says of each.

    With Django's own backend it takes one query for all users. If a backend or a user model has
    rules of its own, `has_perm` is called for each user.
    """
    backends: list[Any] = [one for one in auth.get_backends() if hasattr(one, "has_perm")]
    if len(users) < 2 or not backends or not _goes_by_djangos_rules(backends, users):
        return {user.pk for user in users if user.has_perm(permission)}
    active = [user for user in users if user.is_active]
    holding = {user.pk for user in active if user.is_superuser}
    return holding | _given([user for user in active if not user.is_superuser], permission)


def _given(users: Collection[Any], permission: str) -> set[Any]:
    """The users who were given the permission, themselves or through a group.

    It doesn't use `with_perm`, because PostgreSQL then goes through all holders for each user: with
    5,000 holders that took 27 ms for 64 users, and this takes 3 ms.
    """
    # Imported here, because Django loads the models later than this module.
    from django.contrib.auth.models import Permission

    app_label, _, codename = permission.partition(".")
    if not users or not codename:
        return set()
    keys = {user.pk for user in users}
    # From the database that the users were read from: a router's replica may lag behind.
    read_from = next(iter(users))._state.db
    given = Permission.objects.using(read_from).filter(
        content_type__app_label=app_label, codename=codename
    )
    own = given.filter(user__in=keys).values_list("user", flat=True)
    by_group = given.filter(group__user__in=keys).values_list("group__user", flat=True)
    # No ordering, not of the union either: Django 6.1 would give it the model's ordering.
    return set(own.order_by().union(by_group.order_by()).order_by())


def _goes_by_djangos_rules(backends: list[Any], users: Collection[Any]) -> bool:
    # Imported here, because Django loads the models later than this module.
    from django.contrib.auth.backends import ModelBackend
    from django.contrib.auth.models import PermissionsMixin

    rules = [name for name in vars(ModelBackend) if "perm" in name]
    return all(
        getattr(type(backend), name, None) is getattr(ModelBackend, name)
        for backend in backends
        for name in rules
    ) and all(getattr(type(user), "has_perm", None) is PermissionsMixin.has_perm for user in users)
