import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment


@pytest.mark.parametrize(
    ("value", "meaning"),
    [("true", True), ("1", True), ("ON", True), ("no", False), ("0", False), ("", True)],
)
def test_a_flag_says_yes_or_no_or_nothing(value, meaning, monkeypatch):
    monkeypatch.setenv("SHOP_OPEN", value)
    assert environment.flag("SHOP_OPEN", default=True) is meaning


@pytest.mark.parametrize(
    ("read", "value", "complaint"),
    [
        (lambda: environment.flag("X", default=False), "maybe", "X='maybe': say true or false."),
        (lambda: environment.number("X", default=0), "-1", "X='-1': say a whole number"),
        (lambda: environment.number("X", default=0), "1h", "X='1h': say a whole number"),
        (lambda: environment.choice("X", ["a", "b"], default="a"), "c", "X='c': say a or b."),
    ],
)
def test_a_bad_value_is_refused_by_name(read, value, complaint, monkeypatch):
    monkeypatch.setenv("X", value)
    with pytest.raises(ImproperlyConfigured, match=complaint):
        read()


def test_what_is_unset_or_empty_has_its_default(monkeypatch):
    for value in (None, "", "  "):
        monkeypatch.setenv("X", value) if value is not None else monkeypatch.delenv("X", False)
        assert environment.text("X", "a") == "a"
        assert environment.number("X", default=7) == 7
        assert environment.words("X", default=["a"]) == ["a"]
        assert environment.choice("X", ["a", "b"], default="b") == "b"


def test_words_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("X", "shop.example.com, www.example.com,")
    assert environment.words("X") == ["shop.example.com", "www.example.com"]
