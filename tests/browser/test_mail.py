# Copyright (c) 2026, pgops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail on a phone, as text and as HTML: the same words. Screenshots go to tests/output/mail."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from ansible_collections.pgops.sequences.plugins.plugin_utils._news import alerts as _alerts
from support import showcase

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no browser is installed (Debian: apt-get install --no-install-recommends chromium)"
)

SCREENSHOTS = Path(__file__).resolve().parents[1] / "output" / "mail"
COMMANDS = _alerts.Commands("monitor1", "/opt/pg_sequences_monitor/run")


@pytest.fixture(params=["light", "dark"])
def phone(request: Any) -> Iterator[Page]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page = running.new_page(viewport={"width": 380, "height": 800}, color_scheme=request.param)
        page.scheme = request.param  # type: ignore[attr-defined]
        yield page
        running.close()


def alert() -> _alerts.Alert:
    """What is new on some of forty hosts, and what is over."""
    made = _alerts.decide(showcase.fleet(), {}, 24, COMMANDS).alert
    assert made
    return made._replace(over=["repaired db-09.prod.example.com shop public.carts_id_seq: next value 12 -> 40213"])


def test_html_fits_a_phone_and_says_what_the_text_says(phone: Page) -> None:
    told = alert()
    phone.set_content(_alerts.page(told))
    assert phone.evaluate("document.documentElement.scrollWidth") == 380
    phone.evaluate(Axe().axe_script + "\n; undefined")
    found = phone.evaluate("axe.run().then((results) => results.violations)")
    # A mail has no landmarks of its own: the program that shows it has.
    wrong = [
        (one["id"], one["nodes"][0]["html"][:80]) for one in found if one["id"] not in ("region", "landmark-one-main")
    ]
    assert wrong == []
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    phone.screenshot(path=SCREENSHOTS / f"html-{phone.scheme}.png", full_page=True)  # type: ignore[attr-defined]

    assert _alerts.text(told).count("GRANT USAGE ON SCHEMA hr TO auditor;") == 2, "one for each database"

    def words(text: str) -> list[str]:
        return re.findall(r"[^\s:]+", text)

    assert words(phone.locator("body").inner_text()) == words(_alerts.text(told))


def test_text_fits_a_phone(phone: Page) -> None:
    phone.set_content(
        "<meta name=viewport content='width=device-width'><pre style='white-space:pre-wrap;overflow-wrap:anywhere'></pre>"
    )
    phone.locator("pre").evaluate("(e, text) => { e.textContent = text }", _alerts.text(alert()))
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    phone.screenshot(path=SCREENSHOTS / f"text-{phone.scheme}.png", full_page=True)  # type: ignore[attr-defined]
    assert phone.evaluate("document.documentElement.scrollWidth") == 380
