"""Firefox and WebKit, each spoken to as it wishes.

What the tests ask of them is little: a tab that goes somewhere, evaluates something and closes.
Playwright would bring builds of its own; these are Debian's, as people have them: `firefox-esr`,
and `webkit2gtk-driver` with `xvfb` and `dbus`.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import httpx
from websockets.sync.client import ClientConnection, connect

from ..servers import free_port
from ..waiting import wait_until

ANSWER_SECONDS = 60.0
# Whatever Firefox asks for by itself would be a request to another host.
QUIET = {
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.server": "data:,",
}


class Tab(Protocol):
    def goto(self, url: str) -> None:
        """Return when the page has been loaded."""

    def evaluate(self, expression: str) -> Any:
        """What the expression gives, as JSON can say it."""

    def go_back(self) -> None:
        """Press “Back”."""

    def close(self) -> None: ...


class Browser(Protocol):
    errors: list[str]  # what pages have logged as errors; WebKit doesn't tell

    def open_tab(self) -> Tab: ...

    def forget(self) -> None:
        """Close the tabs and leave no cookie, for the next test."""


def missing(name: str) -> str | None:
    """What has to be installed before that browser can be started; None: nothing."""
    if name == "firefox":
        return None if shutil.which("firefox-esr") else "apt-get install firefox-esr"
    is_there = all(map(shutil.which, ("WebKitWebDriver", "xvfb-run", "dbus-run-session")))
    return None if is_there and _minibrowser() else "apt-get install webkit2gtk-driver xvfb dbus"


@contextmanager
def running_browser(name: str) -> Iterator[Browser]:
    """name: firefox or webkit."""
    with firefox() if name == "firefox" else webkit() as browser:
        yield browser


@contextmanager
def _ending(process: subprocess.Popen) -> Iterator[None]:
    """With all that it has started: it is the first of a process group."""
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# Firefox, by WebDriver BiDi: https://w3c.github.io/webdriver-bidi/


@contextmanager
def firefox() -> Iterator["Firefox"]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        lines = (f"user_pref({json.dumps(k)}, {json.dumps(v)});\n" for k, v in QUIET.items())
        Path(profile, "user.js").write_text("".join(lines))
        command = ["firefox-esr", "--headless", "--no-remote", "--profile", profile]
        log = Path(profile, "output")
        with (
            log.open("w") as output,
            subprocess.Popen(
                [*command, "--remote-debugging-port=0"],
                stdout=output,
                stderr=output,
                start_new_session=True,
            ) as process,
            _ending(process),
        ):

            def address() -> str:
                text = log.read_text(errors="replace")
                found = [line for line in text.splitlines() if "BiDi listening on" in line]
                return found[0].split()[-1] if found else ""

            url = wait_until(address, ANSWER_SECONDS, lambda: log.read_text(errors="replace"))
            with connect(f"{url}/session", max_size=None) as socket:
                yield Firefox(socket)


class Firefox:
    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self.errors: list[str] = []
        self.command("session.new", capabilities={})
        self.command("session.subscribe", events=["log.entryAdded"])

    def command(self, method: str, **parameters: Any) -> Any:
        self._asked += 1
        self._socket.send(json.dumps({"id": self._asked, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(ANSWER_SECONDS))
            if message["type"] == "event":
                entry = message["params"]
                if entry.get("level") == "error":
                    self.errors.append(str(entry["text"]))
            elif message.get("id") == self._asked:
                assert message["type"] == "success", message
                return message["result"]

    def open_tab(self) -> "FirefoxTab":
        return FirefoxTab(self, self.command("browsingContext.create", type="tab")["context"])

    def forget(self) -> None:
        # One has to stay, or the browser ends.
        self.command("browsingContext.create", type="tab")
        for tab in self.command("browsingContext.getTree")["contexts"][:-1]:
            self.command("browsingContext.close", context=tab["context"])
        self.command("storage.deleteCookies")
        self.errors.clear()


class FirefoxTab:
    def __init__(self, browser: Firefox, context: str) -> None:
        self._browser = browser
        self._context = context

    def goto(self, url: str) -> None:
        self._browser.command(
            "browsingContext.navigate", context=self._context, url=url, wait="complete"
        )

    def evaluate(self, expression: str) -> Any:
        answer = self._browser.command(
            "script.evaluate",
            expression=f"(async () => JSON.stringify((await ({expression})) ?? null))()",
            target={"context": self._context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer
        return json.loads(answer["result"]["value"])

    def go_back(self) -> None:
        self._browser.command("browsingContext.traverseHistory", context=self._context, delta=-1)

    def close(self) -> None:
        self._browser.command("browsingContext.close", context=self._context)


# WebKit, by WebDriver: https://www.w3.org/TR/webdriver2/


def _minibrowser() -> str | None:
    return next(map(str, Path("/usr/lib").glob("*/webkit2gtk-4.1/MiniBrowser")), None)


@contextmanager
def webkit() -> Iterator["WebKit"]:
    port = free_port()
    command = ["xvfb-run", "-a", "dbus-run-session", "--", "WebKitWebDriver", f"--port={port}"]
    with (
        subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as process,
        _ending(process),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=ANSWER_SECONDS) as http,
    ):

        def answers() -> bool:
            with suppress(httpx.TransportError):
                return http.get("/status").is_success
            return False

        wait_until(answers, ANSWER_SECONDS)
        options = {"binary": _minibrowser(), "args": ["--automation"]}
        capabilities = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        answer = http.post("/session", json={"capabilities": capabilities}).json()["value"]
        browser = WebKit(http, answer["sessionId"])
        try:
            yield browser
        finally:
            browser.command("DELETE", "")


class WebKit:
    def __init__(self, http: httpx.Client, session: str) -> None:
        self._http = http
        self._session = session
        self.errors: list[str] = []

    def command(self, method: str, path: str, **parameters: Any) -> Any:
        url = f"/session/{self._session}{path}"
        body = parameters if method == "POST" else None
        answer = self._http.request(method, url, json=body)
        assert answer.is_success, answer.text
        return answer.json()["value"]

    def open_tab(self) -> "WebKitTab":
        # A window of its own: the driver can't bring one of several tabs to the front.
        return WebKitTab(self, self.command("POST", "/window/new", type="window")["handle"])

    def forget(self) -> None:
        # One has to stay, or the session ends.
        [*others, last] = self.command("GET", "/window/handles")
        for handle in others:
            WebKitTab(self, handle).close()
        tab = WebKitTab(self, last)
        tab.choose()
        self.command("DELETE", "/cookie")
        tab.goto("about:blank")


class WebKitTab:
    def __init__(self, browser: WebKit, handle: str) -> None:
        self._browser = browser
        self._handle = handle

    def choose(self) -> None:
        """What follows is meant for this one; it comes to the front by that no more than before."""
        self._browser.command("POST", "/window", handle=self._handle)

    def goto(self, url: str) -> None:
        self.choose()
        self._browser.command("POST", "/url", url=url)

    def evaluate(self, expression: str) -> Any:
        self.choose()
        script = (
            "const [tell] = arguments; (async () => tell(JSON.stringify((await ({})) ?? null)))()"
        )
        text = self._browser.command(
            "POST", "/execute/async", script=script.replace("{}", expression), args=[]
        )
        return json.loads(text)

    def go_back(self) -> None:
        self.choose()
        self._browser.command("POST", "/back")

    def close(self) -> None:
        self.choose()
        self._browser.command("DELETE", "/window")
