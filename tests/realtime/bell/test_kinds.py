"""Kinds of notifications: what can be registered, and what is refused."""

import pytest

from realtime.bell import Kind, notify, register_kind
from realtime.bell.kinds import InvalidKind, kind_named
from realtime.models import OutboxEvent

from .samples import subject


@pytest.mark.parametrize("name", ["", "shipped", "a." + "b" * 99])
def test_a_name_that_is_none_is_refused(name):
    with pytest.raises(InvalidKind, match="can't be the name of a kind"):
        Kind(name, label="X")


def test_a_tone_that_there_is_not_is_refused():
    with pytest.raises(InvalidKind, match="tone='pink'"):
        Kind("a.b", label="X", tone="pink")


def test_two_kinds_of_one_name_are_refused_and_one_twice_is_not(kinds):
    register_kind(kinds[0])
    with pytest.raises(InvalidKind, match=r"Two kinds .* 'cases.news'"):
        register_kind(Kind("cases.news", label="Other"))


@pytest.mark.django_db
def test_a_kind_that_nobody_registered_is_refused_before_anything_is_written(alice):
    with pytest.raises(InvalidKind, match=r"no kind of notification 'cases.nws'.*cases.news"):
        notify(alice, "cases.nws", subject("a:1"))
    assert not OutboxEvent.objects.exists()


def test_a_kind_that_an_app_no_longer_has_still_has_a_name():
    assert str(kind_named("gone.away").label) == "News"


def test_a_sentence_that_lacks_a_word_is_shown_as_it_is():
    kind = Kind("a.b", label="X", sentence="%(by)s shared it, 100 %")
    assert kind.sentence_for({}) == "%(by)s shared it, 100 %"
    assert (
        Kind("a.b", label="X", sentence="From %(by)s").sentence_for({"other": 1}) == "From %(by)s"
    )
    assert Kind("a.b", label="X", sentence="From %(by)s").sentence_for({"by": "Bob"}) == "From Bob"


def test_icons_are_ones_own_or_the_bells():
    assert Kind("a.b", label="X", icon="done").icon_url == "/static/realtime/bell/icons.svg#done"
    assert Kind("a.b", label="X", icon="shop/i.svg#van").icon_url == "/static/shop/i.svg#van"
