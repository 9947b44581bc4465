"""How long a page takes until it is live, where each request waits for 150 ms.

    python -m tests.browser.first_page        one line for each page, over HTTP/2 and over HTTP/1.1

The site runs as in production: uvicorn behind deploy/nginx/shop.conf, hashed and compressed static
files. Chromium adds the delay to each request (not to the making of a connection). The figures are
medians: from the click to the bell's “live”, the first time and with a full cache. It needs
Chromium, nginx and openssl, and a PostgreSQL as the tests do.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

# ruff: noqa: E402  (models can be imported only from here on)
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from playwright.sync_api import Playwright

from tests.browser.chromium import ARGUMENTS, EXECUTABLE, playing
from tests.browser.screenshots import own_database, place
from tests.deploy.test_proxies import make_certificate, nginx, running
from tests.servers import ROOT, database_url, free_port
from tests.waiting import wait_until

LATENCY_MS = 150
LOADS = 7
PAGES = ["/notifications/choices/", "/notifications/", "/", "/orders/"]
# When the bell first says that it is live, in milliseconds since the page was asked for.
WATCH = """
new MutationObserver(() => {
  if (window.liveAfter) return;
  const line = document.querySelector("[data-bell-connection]");
  if (line?.dataset.state === "live") window.liveAfter = performance.now();
}).observe(document, {subtree: true, childList: true, attributeFilter: ["data-state"]});
"""


@contextmanager
def production(folder: Path) -> Iterator[str]:
    """The site at https://localhost; its address."""
    environment = {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DJANGO_ALLOWED_HOSTS": "localhost",
        "DJANGO_ENV": "production",
        "DJANGO_PROXY_SSL_HEADER": "X-Forwarded-Proto",
        "DJANGO_SECRET_KEY": settings.SECRET_KEY,  # so that sessions made here hold there
        "DJANGO_SETTINGS_MODULE": "tests.browser.as_in_production",
        "STATIC_ROOT": str(folder / "static"),
    }
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v", "0"]
    subprocess.run(collect, cwd=ROOT, env=environment, check=True)
    make_certificate(folder)
    port, place_of_socket = free_port(), folder / "1.sock"
    options = ["--uds", str(place_of_socket), "--proxy-headers", "--forwarded-allow-ips", "*"]
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "config.asgi:application", *options, "--no-access-log"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(place_of_socket.exists, 60)
        with running(nginx(folder, port, [place_of_socket] * 2), port, folder):
            yield f"https://localhost:{port}"
    finally:
        server.terminate()
        server.wait()


def milliseconds(
    playwright: Playwright, url: str, cookies: list[Any], *arguments: str
) -> Iterator[tuple[str, list[float], list[float]]]:
    """Of each page: how long it took with an empty cache, and with a full one."""
    browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=[*ARGUMENTS, *arguments])
    for path in PAGES:
        first: list[float] = []
        again: list[float] = []
        for _ in range(LOADS):
            context = browser.new_context(ignore_https_errors=True)
            context.add_cookies(cookies)
            context.add_init_script(WATCH)
            page = context.new_page()
            tools = context.new_cdp_session(page)
            tools.send("Network.enable")
            unlimited = {"downloadThroughput": -1, "uploadThroughput": -1}
            tools.send(
                "Network.emulateNetworkConditions",
                {"offline": False, "latency": LATENCY_MS, **unlimited},
            )
            for times in (first, again):
                page.goto(f"{url}{path}")
                page.locator("[data-bell-connection][data-state=live]").first.wait_for(
                    state="attached"
                )
                times.append(page.evaluate("window.liveAfter"))
            context.close()
        yield path, first, again
    browser.close()


def main() -> None:
    with TemporaryDirectory() as name, own_database():
        shop = get_user_model().objects.create_superuser("shop")
        for number in range(10):
            place(shop, f"Spoon {number}", 1, "1.20")
        client = Client()
        client.force_login(shop)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        with production(Path(name)) as url, playing() as playwright:
            cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}
            for version, arguments in {"HTTP/2": [], "HTTP/1.1": ["--disable-http2"]}.items():
                print(f"{version}, each request {LATENCY_MS} ms")
                for path, *times in milliseconds(playwright, url, [cookie], *arguments):
                    first, again = map(statistics.median, times)
                    print(f"  {path:25} first {first:5.0f} ms   again {again:5.0f} ms")


if __name__ == "__main__":
    main()
