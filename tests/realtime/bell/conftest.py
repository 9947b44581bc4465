"""Kinds of notifications for these tests, and a client of Django's usual sort."""

from collections.abc import Iterator

import pytest
from django.test import Client

from realtime.bell import Kind, register_kind
from realtime.bell.kinds import unregister_kind

KINDS = [
    Kind("cases.news", label="News", sentence="%(by)s has some."),
    Kind("cases.loud", label="Loud", group="Noise", tone="red"),
    Kind("cases.quiet", label="Quiet", group="Noise", default=False),
    Kind("cases.staff", label="Till", offered_to=lambda user: user.is_staff),
]


@pytest.fixture(autouse=True)
def kinds() -> Iterator[list[Kind]]:
    for kind in KINDS:
        register_kind(kind)
    yield KINDS
    for kind in KINDS:
        unregister_kind(kind.name)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def alice(django_user_model):
    return django_user_model.objects.create_user("alice")


@pytest.fixture
def bob(django_user_model):
    return django_user_model.objects.create_user("bob")
