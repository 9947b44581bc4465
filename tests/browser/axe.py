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
# What moves is judged by where it goes. Of what is well nothing but that is told, which is half of
# the work.
RUN = """async ([part, rules]) => {
  if (!("axe" in window)) return null;
  document.getAnimations().forEach(animation => animation.finish());
  const {violations} = await axe.run(part, {runOnly: rules, resultTypes: ["violations"]});
  return violations.flatMap(({id, help, nodes}) => nodes.map(({html, any}) =>
    `${id}: ${help}: ${any.map(({message}) => message)} ${html}`));
}"""


class Axe:
    """Looks at pages whose session has begun with `bypass_csp`: it styles what it measures."""

    def __init__(self, script: str) -> None:
        self._script = script

    def violations(self, page: Page, part: str = "html") -> list[str]:
        found = page.evaluate(RUN, [part, RULES])
        if found is None:  # the first look at this page
            page.evaluate(self._script)
            found = page.evaluate(RUN, [part, RULES])
        return [f"{page.url}: {one}" for one in found]

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
