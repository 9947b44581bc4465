"""Who may say that all streams of a user are to be closed: one of our own, once."""

import pytest
from django.core import signing

from realtime.access.ends_of_users import VALID_SECONDS, EndsOfUsers, signed

HERE = {"7", "a:b", "8"}


def test_one_that_was_signed_counts_once():
    ends = EndsOfUsers()
    one = signed("7")
    assert ends.genuine([one], HERE, 0.0) == {"7"}
    assert ends.genuine([one], HERE, 1.0) == set()  # overheard, and repeated


def test_a_key_may_be_any_text():
    assert EndsOfUsers().genuine([signed("a:b")], HERE, 0.0) == {"a:b"}


@pytest.mark.parametrize("forged", ["", "7", "7:", "7::", "7:1wXyZa:x", "8:" + "x" * 200])
def test_others_can_not_say_it(forged):
    assert EndsOfUsers().genuine([forged], HERE, 0.0) == set()


def test_what_was_signed_for_one_user_ends_nobody_elses_streams():
    forged = signed("7").replace("7:", "8:", 1)
    assert EndsOfUsers().genuine([forged], HERE, 0.0) == set()


def test_an_old_one_is_no_use(monkeypatch):
    one = signed("7")
    later = signing.time.time() + VALID_SECONDS + 1
    monkeypatch.setattr(signing.time, "time", lambda: later)
    assert EndsOfUsers().genuine([one], HERE, 0.0) == set()


def test_what_was_heard_is_forgotten_when_it_is_no_use_to_anybody():
    ends = EndsOfUsers()
    ends.genuine([signed("7")], HERE, 0.0)
    ends.genuine([], HERE, 2 * VALID_SECONDS + 1)
    assert not ends._heard
