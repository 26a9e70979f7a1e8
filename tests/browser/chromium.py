"""A page opened in Chromium without a window, and what it was like there."""

import json
import os
import re
import subprocess
from base64 import b64encode
from hashlib import sha256
from html import unescape
from pathlib import Path
from shutil import which
from typing import NamedTuple

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPEN_S = 120
"""Far more than it takes on a busy machine."""
TOUCH_PX = 1.0
"""Boxes of text may share their edges."""

EARLY = """
window.probe = {errors: [], violations: []};
addEventListener("error", (event) => probe.errors.push(String(event.message || event.target)), true);
document.addEventListener("securitypolicyviolation", (event) => probe.violations.push(event.violatedDirective));
"""
LATE = """
addEventListener("load", () => {
  probe.open = document.querySelectorAll("details[open]").length;
  document.querySelector("a.operation")?.dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
  probe.lit = [...document.querySelectorAll(".lit")].map((each) => each.tagName.toLowerCase());
  for (const each of document.querySelectorAll("details")) each.open = true;
  const touch = TOUCH_PX;
  const outside = (inner, outer) => inner.left < outer.left - touch || inner.right > outer.right + touch
    || inner.top < outer.top - touch || inner.bottom > outer.bottom + touch;
  const overlap = (one, other) => one.left < other.right - touch && other.left < one.right - touch
    && one.top < other.bottom - touch && other.top < one.bottom - touch;
  probe.outside = []; probe.overlapping = []; probe.texts = [];
  for (const svg of document.querySelectorAll("svg")) {
    const placed = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    for (const [index, [words, box]] of placed.entries()) {
      probe.texts.push(words);
      if (outside(box, svg.getBoundingClientRect())) probe.outside.push(words);
      for (const [other, otherBox] of placed.slice(index + 1)) if (overlap(box, otherBox)) probe.overlapping.push([words, other]);
    }
  }
  probe.scrolling = [...document.querySelectorAll(".drawing")].filter((each) => each.scrollWidth > each.clientWidth).length;
  probe.too_wide = Math.max(document.documentElement.scrollWidth - innerWidth, 0);
  probe.resources = performance.getEntriesByType("resource").map((each) => each.name);
  probe.background = getComputedStyle(document.body).backgroundColor;
  probe.title = document.title;
  probe.text = document.body.innerText;
  probe.tags = [...new Set([...document.querySelectorAll("*")].map((each) => each.tagName.toLowerCase()))].sort();
  const said = document.createElement("pre");
  said.id = "probe";
  said.textContent = JSON.stringify(probe);
  document.body.append(said);
});
""".replace("TOUCH_PX", str(TOUCH_PX))


class Opened(NamedTuple):
    """See the script above for what each was measured from."""

    errors: list[str]
    violations: list[str]
    open: int
    """Tables that were open at first."""
    lit: list[str]
    """What lit up when the pointer was on the first operation."""
    outside: list[str]
    overlapping: list[list[str]]
    texts: list[str]
    """Of all drawings."""
    scrolling: int
    """Drawings that do not fit the page."""
    too_wide: int
    resources: list[str]
    """What it fetched."""
    background: str
    title: str
    text: str
    tags: list[str]


def missing() -> str:
    """Why no page can be opened, or nothing."""
    return "" if _executable() else f"none of {', '.join(NAMES)} is installed; on Debian: apt-get install chromium"


def _executable() -> str | None:
    return next((path for name in NAMES if (path := which(name))), None)


def opened(page: str, folder: Path, *, width: int = 1280, dark: bool = False, at: str = "") -> Opened:
    """Open the page under its own policy, to which only the two scripts of this module are added."""
    assert "script-src " in page
    allowed = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in (EARLY, LATE))
    # The policy stands in an attribute, so its quotes are written out.
    probed = page.replace("script-src ", f"script-src {allowed.replace(chr(39), '&#39;')} ", 1)
    probed = probed.replace('<meta name="viewport"', f'<script>{EARLY}</script><meta name="viewport"', 1)
    head, _, tail = probed.rpartition("</body>")
    file = folder / "page.html"
    file.write_text(f"{head}<script>{LATE}</script></body>{tail}", "utf-8")
    executable = _executable()
    assert executable is not None
    command = [
        executable,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},1600",
        *(["--blink-settings=preferredColorScheme=0"] if dark else []),
        "--dump-dom",
        file.as_uri() + at,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=OPEN_S, check=False, env={**os.environ, "HOME": str(folder)}, encoding="utf-8"
    )
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:] + done.stderr[-2000:]
    return Opened(**json.loads(unescape(found[1])))
