"""The site in the languages of its visitors.

After a text was changed or added: `python -m django makemessages --all --no-obsolete
--add-location file --ignore .venv --ignore tests`, translate what is empty or marked as fuzzy in
locale/*, then `python -m django compilemessages --ignore .venv`. Both need GNU gettext (Debian:
`gettext`).
"""

import gettext
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import django
import pytest
from django.conf import settings
from django.test import override_settings
from django.urls import reverse

from ..servers import ROOT
from .pages import attribute, element, elements, page_of, shown_text
from .samples import an_order, move_on, number_waiting, place

LANGUAGES = ["de", "es"]
# Of the site; and of the library and its bell, which other sites have too.
FOLDERS = ["locale", "realtime/locale", "realtime/bell/locale"]

each_catalogue = pytest.mark.parametrize(
    ("folder", "language"), [(folder, language) for folder in FOLDERS for language in LANGUAGES]
)


def catalog(path: Path) -> dict[str, str]:
    """What a compiled catalogue translates."""
    with path.open("rb") as file:
        texts = gettext.GNUTranslations(file)._catalog
    return {key: text for key, text in texts.items() if key}


def compiled(folder: str, language: str) -> Path:
    return ROOT / folder / language / "LC_MESSAGES" / "django.mo"


def tags(text: str) -> list[str]:
    return sorted(re.findall(r"<[^>]*>", text))


@pytest.fixture(scope="session")
def collected(processes, tmp_path_factory) -> Path:
    """The catalogues as they are once the texts of the sources have been collected anew."""
    if not shutil.which("msgfmt"):
        pytest.skip("no GNU gettext on the PATH: apt-get install gettext")
    copy = tmp_path_factory.mktemp("sources")
    for folder in ("config", "locale", "orders", "realtime", "templates", "tools"):
        shutil.copytree(ROOT / folder, copy / folder)
    run(copy, sys.executable, "-m", "django", "makemessages", "--all", "--no-obsolete")
    return copy


def run(folder: Path, *command: str) -> str:
    # Without the project's settings, whose LOCALE_PATHS would lead out of the copy.
    environment = {key: value for key, value in os.environ.items() if key[:7] != "DJANGO_"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@each_catalogue
def test_every_text_is_translated(collected, folder, language):
    catalogue = collected / folder / language / "LC_MESSAGES"
    for left in ("--untranslated", "--only-fuzzy"):
        assert run(catalogue, "msgattrib", left, "--no-wrap", "django.po") == "", __doc__


@each_catalogue
def test_the_compiled_catalogue_is_that_of_the_texts(collected, folder, language):
    catalogue = collected / folder / language / "LC_MESSAGES"
    run(catalogue, "msgfmt", "--check-format", "django.po", "--output-file", "again.mo")
    assert catalog(catalogue / "again.mo") == catalog(compiled(folder, language)), __doc__


@each_catalogue
def test_translations_hold_the_same_markup(folder, language):
    # Of a plural, the key holds the singular.
    texts = [
        (key[0] if isinstance(key, tuple) else key, text)
        for key, text in catalog(compiled(folder, language)).items()
    ]
    with_markup = [(original, text) for original, text in texts if "<" in original]
    # The admin's pages translate theirs word by word.
    assert len(with_markup) > 1 or folder == "realtime/locale"
    for original, text in with_markup:
        assert tags(text) == tags(original)


@each_catalogue
def test_no_text_of_ours_changes_one_of_djangos(folder, language):
    ours = catalog(compiled(folder, language))
    for path in Path(django.__file__).parent.glob(f"**/locale/{language}/LC_MESSAGES/django.mo"):
        theirs = catalog(path)
        changed = {key for key in ours.keys() & theirs.keys() if ours[key] != theirs[key]}
        assert not changed, f"Give these a context in our templates: {changed}"


@pytest.mark.parametrize(
    "template",
    sorted([*(ROOT / "templates").rglob("*.html"), *(ROOT / "realtime").rglob("*.html")]),
    ids=lambda path: path.name,
)
def test_no_template_has_words_of_its_own(template):
    text = template.read_text(encoding="utf-8")
    for handled in (
        r"{#.*?#}",
        r"{% blocktranslate.*?{% endblocktranslate %}",
        r"{%.*?%}",
        r"{{.*?}}",
        r" UTC\b",
        r"<kbd>\w</kbd>",
    ):
        text = re.sub(handled, "", text, flags=re.DOTALL)
    read_out = re.findall(r'\b(?:alt|aria-label|placeholder|title)="([^"]*)"', text)
    shown = re.sub(r"<[^>]*>", "", text)
    assert not re.findall(r"[^\W\d_]+", " ".join([shown, *read_out]))


@pytest.fixture
def german(client, alice):
    """Loads a page as Alice, whose browser asks for German."""
    client.force_login(alice)
    return lambda url: page_of(client.get(url, headers={"Accept-Language": "de-AT,de;q=0.9"}))


@pytest.mark.django_db
def test_a_page_speaks_the_language_that_the_browser_asks_for(german, alice):
    order = place(alice, quantity=3)
    move_on(order, "paid")
    page = german("/notifications/")
    html = element(page, "html")
    assert (attribute(html, "lang"), attribute(html, "dir")) == ("de", "ltr")
    main = shown_text(element(page, "main"))
    assert main.startswith("Benachrichtigungen 1 ungelesen Alle als gelesen markieren")
    assert "Bezahlt · 3 × Espresso cups" in main
    assert "Ihre Zahlung ist eingegangen. Wir packen Ihre Bestellung." in main
    assert "Heute" in main
    assert "Bestellung Nr." in shown_text(element(german(f"/orders/{order.pk}/"), "h1"))
    assert "Seite nicht gefunden" in shown_text(element(german("/no-such-page"), "h1"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked_for", "language"), [("es-MX", "es"), ("fr, pt;q=0.5", "en"), ("", "en")]
)
def test_of_languages_it_does_not_know_it_speaks_english(client, asked_for, language):
    page = page_of(client.get("/login/", headers={"Accept-Language": asked_for}))
    assert attribute(element(page, "html"), "lang") == language


@pytest.mark.django_db
def test_a_visitor_chooses_another_language_at_the_foot_of_the_page(german, client):
    foot = element(german("/notifications/?before=7"), "footer")
    buttons = list(elements(foot, "button", name="language"))
    assert [shown_text(button) for button in buttons] == ["English", "Deutsch", "Español"]
    (chosen,) = elements(foot, "button", aria_current="true")
    assert attribute(chosen, "value") == "de"
    form = element(foot, "form")
    back = attribute(element(form, "input", name="next"), "value")
    response = client.post(attribute(form, "action"), {"language": "es", "next": back})
    assert response.url == "/notifications/?before=7"
    assert "Notificaciones" in shown_text(element(german("/notifications/"), "main"))


@pytest.mark.django_db
@override_settings(LANGUAGES=[("en", "English"), ("ar", "Arabic")])
def test_a_page_is_written_from_right_to_left_in_languages_that_are(client):
    page = page_of(client.get("/login/", headers={"Accept-Language": "ar"}))
    html = element(page, "html")
    assert (attribute(html, "lang"), attribute(html, "dir")) == ("ar", "rtl")


@pytest.mark.django_db
@override_settings(
    USE_THOUSAND_SEPARATOR=True, REALTIME={**settings.REALTIME, "HEARTBEAT_SECONDS": 1.5}
)
def test_what_a_script_reads_is_written_alike_in_all_languages(german, client, alice, shop):
    order = an_order(alice, pk=12345, unit_price="1234.50", quantity=1)
    order.save()
    number_waiting()
    root = element(german("/notifications/"), data_bell=None)
    assert attribute(root, "data-live-heartbeat") == "1.5"
    item = element(root, "li", data_bell_row=None)
    assert attribute(item, "data-position") == "2"
    assert attribute(element(item, "a", data_bell_link=None), "href") == "/orders/12345/"
    assert " 12345 Gesamtbetrag 1.234,50 € " in shown_text(item)

    client.force_login(shop)
    board = element(page_of(client.get("/orders/", headers={"Accept-Language": "de"})), "main")
    root = element(board, data_board=None)
    assert attribute(root, "data-live-heartbeat") == "1.5"
    row = element(element(root, data_board_rows=None), "tr")
    assert attribute(element(row, "data", data_field="total"), "value") == "1234.50"
    assert shown_text(element(row, "th", role="rowheader")) == "# 12345"


@pytest.mark.django_db
def test_dates_are_written_as_the_language_does(german, alice):
    order = an_order(alice, placed_at=datetime(2026, 3, 12, 7, 55, tzinfo=UTC))
    order.save()
    page = german(reverse("order", args=[order.pk]))
    assert "12. März 2026 07:55 UTC" in shown_text(element(page, "main"))


@pytest.mark.django_db
def test_the_admin_names_orders_in_the_language_of_the_staff(client, shop, alice):
    order = place(alice)
    client.force_login(shop)
    german = {"Accept-Language": "de"}
    page = page_of(client.get(reverse("admin:orders_order_changelist"), headers=german))
    assert "Bestellung zur Änderung auswählen" in shown_text(element(page, "h1"))
    assert "Einzelpreis" in shown_text(
        page_of(client.get(reverse("admin:orders_order_add"), headers=german))
    )
    response = client.post(
        reverse("admin:orders_order_changelist"),
        {"action": "mark_as_shipped", "_selected_action": [order.pk]},
        headers=german,
        follow=True,
    )
    messages = shown_text(element(page_of(response), "ul", **{"class": "messagelist"}))
    assert messages == (
        f"Die Bestellung {order.pk} wurde übersprungen. "
        "Auf „Aufgegeben“ kann nicht „Versandt“ folgen, nur „Bezahlt“ oder „Storniert“."
    )


def test_every_language_that_is_offered_is_shipped():
    assert [code for code, _ in settings.LANGUAGES] == ["en", *LANGUAGES]
    assert {path.name for path in (ROOT / "locale").iterdir()} == set(LANGUAGES)
