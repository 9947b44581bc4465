"""Records /demo/ while the server's database sessions are killed and its network is cut.

    python -m tests.browser.recording        writes docs/demo.webp

The page, the server, the faults and the healing are real, and so is the time: each picture is shown
for as long as it was on the screen. It needs what tests.browser.screenshots needs, and Pillow.
"""

import io
import os
import time
from itertools import pairwise

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# ruff: noqa: E402  (models can be imported only from here on)
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from config.demo import accounts
from tests.browser.chromium import chromium, playing
from tests.browser.screenshots import DOCS, own_database
from tests.servers import running_server

PATH = DOCS / "demo.webp"
SIZE = {"width": 1080, "height": 860}
SHOWN = (810, 645)
PAUSE_SECONDS = 0.12
LAST_MS = 3_000
HEALED_SECONDS = 30


class Recording:
    """Pictures of a page, each with the moment of its making."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pictures: list[tuple[float, Image.Image]] = []

    def watch(self, seconds: float, until: str | None = None) -> None:
        """Take pictures for so long, or until there is something to be seen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            png = self._page.screenshot(scale="css")
            picture = Image.open(io.BytesIO(png)).convert("RGB").resize(SHOWN, Image.LANCZOS)
            self._pictures.append((time.monotonic(), picture))
            if until and self._page.locator(until).count():
                return
            self._page.wait_for_timeout(PAUSE_SECONDS * 1_000)

    def save(self) -> None:
        frames: list[Image.Image] = []
        durations: list[int] = []
        for (shown, picture), (next_shown, _) in pairwise(self._pictures):
            milliseconds = round((next_shown - shown) * 1_000)
            if frames and not ImageChops.difference(frames[-1], picture).getbbox():
                durations[-1] += milliseconds  # nothing has changed
            else:
                frames.append(picture)
                durations.append(milliseconds)
        durations[-1] = LAST_MS
        options = {"quality": 55, "method": 4, "minimize_size": True, "loop": 0}
        frames[0].save(PATH, save_all=True, append_images=frames[1:], duration=durations, **options)
        seconds, size = sum(durations) / 1_000, PATH.stat().st_size
        print(f"docs/{PATH.name}: {seconds:.0f} s, {len(frames)} pictures, {size:,} bytes")


def press(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=name, exact=True)
    button.hover()
    button.click()


def play(page: Page, recording: Recording) -> None:
    recording.watch(0.8)
    for _ in range(2):
        press(page, "Order")
        recording.watch(0.8)
    press(page, "Ship")
    recording.watch(1.2)
    for number, fault in enumerate(("Kill the database's sessions", "Cut my network for 5 s"), 1):
        press(page, fault)
        recording.watch(HEALED_SECONDS, until=f"[data-word^=healed] >> nth={number - 1}")
        expect(page.locator("[data-word^=healed]")).to_have_count(number)
        recording.watch(1.5)


def main() -> None:
    with (
        own_database(),
        running_server("runserver") as site,
        playing() as playwright,
        chromium(playwright) as browser,
    ):
        accounts.create_accounts()
        page = browser.new_page(viewport=SIZE, color_scheme="light", locale="en-GB")
        page.goto(f"{site.url}/demo/")
        expect(page.locator("[data-demo-connection]")).to_have_attribute("data-state", "live")
        recording = Recording(page)
        play(page, recording)
        recording.save()


if __name__ == "__main__":
    main()
