"""Who of many users holds a permission."""

import json

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from realtime.access.permissions import holders

NEEDED = "orders.view_order"


@pytest.fixture
def users(db):
    """Users who hold it in every way there is, or don't."""
    permission = Permission.objects.get(codename="view_order")
    made = {
        name: User.objects.create_user(name)
        for name in ("direct", "in group", "inactive", "superuser", "both", "nobody")
    }
    group = Group.objects.create(name="watchers")
    group.permissions.add(permission)
    for name in ("direct", "inactive", "both"):
        made[name].user_permissions.add(permission)
    for name in ("in group", "both"):
        made[name].groups.add(group)
    made["inactive"].is_active = False
    made["inactive"].save()
    made["superuser"].is_superuser = True
    made["superuser"].save()
    return list(User.objects.filter(pk__in=[user.pk for user in made.values()]))


def names(users, keys):
    return {user.username for user in users if user.pk in keys}


def test_many_users_are_asked_about_by_one_query(users, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = holders(users, NEEDED)
    assert names(users, found) == {"direct", "in group", "both", "superuser"}
    assert found == {user.pk for user in users if user.has_perm(NEEDED)}


def test_what_it_takes_does_not_grow_with_how_many_others_hold_it(db):
    users = User.objects.bulk_create(User(username=f"holder {number}") for number in range(400))
    Permission.objects.get(codename="view_order").user_set.add(*users)
    with CaptureQueriesContext(connection) as asked:
        assert len(holders(users[-50:], NEEDED)) == 50
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {asked[0]['sql']}")
        [[plan]] = cursor.fetchall()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    # Once through all of them at the most, and not for each user.
    assert rows_visited(plan[0]["Plan"]) < 3000


def rows_visited(node):
    own = sum(node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter"))
    return own * node["Actual Loops"] + sum(map(rows_visited, node.get("Plans", [])))


@pytest.mark.parametrize("permission", ["orders.no_such", "nowhere.view_order", "view_order"])
def test_a_permission_that_there_is_not_is_held_by_superusers_only(users, permission):
    assert names(users, holders(users, permission)) == {"superuser"}


class Generous(ModelBackend):
    """A project's own: who has a name with a blank in it may do everything."""

    def has_perm(self, user_obj, perm, obj=None):
        return " " in user_obj.username or super().has_perm(user_obj, perm, obj)


class Suspicious:
    """A project's own: says no where others would say yes."""

    def has_perm(self, user_obj, perm, obj=None):
        from django.core.exceptions import PermissionDenied

        if user_obj.username == "direct":
            raise PermissionDenied


@pytest.mark.parametrize("own", [Generous, Suspicious])
def test_a_backend_of_the_projects_own_is_asked_about_each_user(users, settings, own):
    settings.AUTHENTICATION_BACKENDS = [
        f"{__name__}.{own.__name__}",
        "django.contrib.auth.backends.ModelBackend",
    ]
    found = holders(users, NEEDED)
    assert found == {user.pk for user in users if user.has_perm(NEEDED)}
    assert names(users, found) != {"direct", "in group", "both", "superuser"} or own is Generous
