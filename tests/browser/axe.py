"""axe (https://github.com/dequelabs/axe-core), which looks for what keeps people from using a page.

A plugin of pytest's, for its fixture.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # most runs begin without a browser
    from playwright.sync_api import Page

SCRIPT = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# The guidelines up to 2.2 AA, and what axe's makers have seen to help besides.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
RUN = """async ([part, rules]) => {
  const {violations} = await axe.run(part, {runOnly: rules});
  return violations.flatMap(({id, help, nodes}) => nodes.map(({html, any}) =>
    `${id}: ${help}: ${any.map(({message}) => message)} ${html}`));
}"""


class Axe:
    """Looks at pages whose session has begun with `bypass_csp`: it styles what it measures."""

    def __init__(self, script: str) -> None:
        self._script = script

    def violations(self, page: Page, part: str = "html") -> list[str]:
        # What moves is judged by where it goes.
        page.evaluate("() => document.getAnimations().forEach(animation => animation.finish())")
        if not page.evaluate("'axe' in window"):
            page.evaluate(self._script)
        return [f"{page.url}: {one}" for one in page.evaluate(RUN, [part, RULES])]

    def violations_in_light_and_dark(self, page: Page, part: str = "html") -> list[str]:
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += [f"{scheme}: {one}" for one in self.violations(page, part)]
        return found


@pytest.fixture(scope="session")
def axe() -> Axe:
    """Nothing else leads to axe: whatever asks for it is skipped where it isn't installed."""
    if not SCRIPT.exists():
        pytest.skip("no axe-core: npm ci")
    return Axe(SCRIPT.read_text(encoding="utf-8"))
