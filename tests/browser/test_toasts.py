"""What pops up when something arrives, and what is said of it."""

import re
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .bells import (
    ELSEWHERE,
    ONE_SECOND_MS,
    badge,
    expect_live,
    move_on,
    open_bell,
    panel,
    place,
    place_many,
)

STORM = 200
AT_A_TIME = 3
LONGEST_FREEZE_MS = 500
# More than a toast is shown for, and less than the stream's watchdog waits.
LONG = "00:12"

# Before any script of the page: what the announcer says, and how long the page couldn't answer.
WATCH = """
  window.announced = [];
  window.longestFreeze = 0;
  document.addEventListener("DOMContentLoaded", () => {
    const announcer = document.querySelector("[data-bell-announcer]");
    const said = () => [...announcer.querySelectorAll("[data-plural]:not([hidden])")]
      .map(form => form.textContent).join("");
    new MutationObserver(() => announced.push(said())).observe(announcer, {childList: true});
  });
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    longestFreeze = Math.max(longestFreeze, now - last);
    last = now;
  }, 10);
"""


def toasts(page: Page) -> Locator:
    return page.locator(".bell-toast:not(.bell-toast-more)")


def more(page: Page) -> Locator:
    return page.locator(".bell-toast-more")


def elsewhere(visit, user, **options: Any) -> Page:
    """A page without a list: what arrives isn't on the screen."""
    page = visit(user, at=ELSEWHERE, **options)
    expect_live(page)
    return page


def watched(visit, user) -> Page:
    """Such a page, watched from the beginning."""
    return elsewhere(visit, user, prepare=lambda page: page.add_init_script(WATCH))


def with_clock(visit, user) -> Page:
    """Such a page, with a clock that a test can move on."""
    return elsewhere(visit, user, own=True, prepare=lambda page: page.clock.install())


def test_what_arrives_pops_up_and_leads_to_its_order(visit, alice):
    page = elsewhere(visit, alice)
    place(alice, "Teapot")
    expect(toasts(page)).to_have_count(1)
    expect(toasts(page)).to_contain_text("Placed · 2 × Teapot")
    expect(toasts(page)).to_contain_text("We have your order.")
    toasts(page).get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/orders/\d+/$"))
    expect(badge(page)).to_be_hidden()


@pytest.mark.parametrize("is_pointed_at", [False, True], ids=["alone", "pointed at"])
def test_a_storm_of_two_hundred_orders_leaves_a_usable_page(visit, alice, is_pointed_at):
    page = watched(visit, alice)
    place(alice, "Spoon 0")
    if is_pointed_at:
        toasts(page).hover()
    for number in range(1, STORM):
        place(alice, f"Spoon {number}")
    expect(badge(page)).to_have_text("99+")
    expect(toasts(page)).to_have_count(AT_A_TIME)
    expect(more(page)).to_have_text(re.compile(f"and {STORM - AT_A_TIME} more"))
    assert page.evaluate("longestFreeze") < LONGEST_FREEZE_MS

    expect(toasts(page).last).to_contain_text(f"Spoon {STORM - 1}")

    open_bell(page)
    expect(badge(page)).not_to_have_attribute("data-new", "", timeout=ONE_SECOND_MS)
    expect(page.locator(".bell-toast")).to_have_count(0)


def test_the_rest_is_counted_though_more_come_at_once_than_the_page_lists(visit, alice):
    page = elsewhere(visit, alice)
    place(alice, "Teapot")
    expect(toasts(page)).to_have_count(1)
    place_many(alice, STORM)
    expect(more(page)).to_have_text(re.compile(f"and {STORM + 1 - AT_A_TIME} more"))


def test_the_rest_is_what_does_not_stand_there_by_itself_and_is_still_new(visit, alice):
    page = elsewhere(visit, alice)
    orders = place_many(alice, AT_A_TIME + 3)
    expect(more(page)).to_have_text(re.compile("and 3 more"))
    more(page).hover()  # none goes by itself meanwhile
    move_on(orders[0], "paid")
    expect(toasts(page).last).to_contain_text("Spoon 0")
    expect(more(page)).to_have_text(re.compile("and 3 more"))  # another one made room for it
    page.context.new_page().goto(f"/orders/{orders[1].pk}/")
    expect(more(page)).to_have_text(re.compile("and 2 more"))


def test_a_storm_is_announced_in_a_few_sentences(visit, alice):
    page = watched(visit, alice)
    place_many(alice, STORM)
    page.wait_for_function(
        "total => announced.reduce((sum, said) => sum + parseInt(said), 0) === total",
        arg=STORM,
        timeout=20_000,
    )
    announced = page.evaluate("announced")
    assert len(announced) <= 3
    assert announced[0].endswith("new notifications")


def test_one_is_announced_in_the_singular(visit, alice):
    page = watched(visit, alice)
    place(alice)
    page.wait_for_function("() => announced.length > 0")
    assert page.evaluate("announced") == ["1 new notification"]


def test_they_go_by_themselves_but_not_while_somebody_points_at_them(visit, alice):
    page = with_clock(visit, alice)
    place(alice)
    expect(toasts(page)).to_have_count(1)
    toasts(page).hover()
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_have_count(1)
    page.mouse.move(5, 5)
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_have_count(0)
    expect(page.locator("[data-bell-toasts]")).to_be_hidden()


def test_one_that_somebody_points_at_stays_also_when_its_subject_has_news(visit, alice):
    page = with_clock(visit, alice)
    order = place(alice, "Teapot")
    expect(toasts(page)).to_have_count(1)
    toasts(page).hover()
    move_on(order, "paid")
    expect(toasts(page)).to_contain_text("Paid")
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_contain_text("Paid")
    page.mouse.move(5, 5)
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_have_count(0)


def test_they_wait_while_the_keyboard_is_there(visit, alice):
    page = with_clock(visit, alice)
    place(alice, "Teapot")
    place(alice, "Espresso cups")
    expect(toasts(page)).to_have_count(2)
    toasts(page).first.get_by_role("link").focus()
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_have_count(2)
    page.locator("[data-bell-button]").focus()
    page.clock.fast_forward(LONG)
    expect(toasts(page)).to_have_count(0)


def test_they_never_take_the_focus_and_give_it_on_when_they_are_dismissed(visit, alice):
    page = elsewhere(visit, alice)
    button = page.locator("main").get_by_role("button", name="Save")
    button.focus()
    place(alice, "Teapot")
    place(alice, "Espresso cups")
    expect(toasts(page)).to_have_count(2)
    expect(button).to_be_focused()

    toasts(page).first.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Enter")
    expect(toasts(page)).to_have_count(1)
    expect(toasts(page).get_by_role("button", name="Dismiss")).to_be_focused()
    page.keyboard.press("Escape")
    expect(toasts(page)).to_have_count(0)
    expect(page.locator("[data-bell-button]")).to_be_focused()
    expect(badge(page)).to_have_text("2")


def test_what_is_seen_in_another_window_goes_in_this_one(visit, alice):
    desk, phone = elsewhere(visit, alice), elsewhere(visit, alice)
    place_many(alice, AT_A_TIME + 2)
    expect(more(desk)).to_have_text(re.compile("and 2 more"))
    expect(badge(phone)).to_have_text("5")
    open_bell(phone)
    expect(desk.locator(".bell-toast")).to_have_count(0)


def test_there_are_none_while_a_list_is_on_the_screen_or_the_page_is_not_looked_at(visit, alice):
    page = watched(visit, alice)
    page.route("**/notifications/change/", lambda route: None)  # what is seen would go by that
    open_bell(page)
    place(alice, "Teapot")
    expect(panel(page)).to_contain_text("Teapot")
    expect(page.locator(".bell-toast")).to_have_count(0)

    page.keyboard.press("Escape")
    hide(page)
    place(alice, "Espresso cups")
    expect(page).to_have_title(re.compile(r"^\(2\) "))
    expect(page.locator(".bell-toast")).to_have_count(0)

    inbox = visit(alice)
    expect_live(inbox)
    place(alice, "Linen napkins")
    expect(inbox.locator("main")).to_contain_text("Linen napkins")
    expect(inbox.locator(".bell-toast")).to_have_count(0)


def test_on_a_phone_one_takes_a_line(visit, alice):
    page = elsewhere(visit, alice, viewport={"width": 390, "height": 800})
    place(alice, "Unbreakable " * 12)
    expect(toasts(page)).to_be_visible()
    assert toasts(page).bounding_box()["height"] < 56


def hide(page: Page) -> None:
    """As a browser does with a tab that another one covers; a headless one never does."""
    page.evaluate(
        """() => {
          Object.defineProperty(document, "visibilityState", {value: "hidden"});
          document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
