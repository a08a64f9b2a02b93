"""The pages in a real browser: on a phone, without scripts, under the content security policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import browser, server
from tests import services as local

pytestmark = pytest.mark.skipif(browser.PROGRAM is None, reason="there is no Chromium here")

LONG = "a-name-without-any-space-" * 6 + ".txt"


@pytest.fixture(scope="module")
def address(services: local.Services) -> Iterator[str]:
    services.postgres.execute("TRUNCATE artifacts", local.DATABASE)
    with server.running(**services.environ, APP_WORKERS="1") as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[browser.Browser]:
    with browser.running(tmp_path) as opened:
        opened.resize(360, 740)
        yield opened


def check(page: browser.Browser, picture: Path) -> None:
    """Assert that the page looks as it should; a failing test's picture stays in its folder."""
    page.screenshot(picture)
    width = page.value("innerWidth")
    assert page.value("document.documentElement.scrollWidth") <= width
    # The policy lets the style sheet through, and the page asks for nothing else.
    assert page.value("getComputedStyle(document.querySelector('main')).padding") == "16px"
    for height in page.value(
        "[...document.querySelectorAll('button, .button')]"
        ".map(e => e.getBoundingClientRect().height)"
    ):
        assert height >= 44
    assert page.log == []


def test_a_file_is_uploaded_and_deleted_without_scripts(
    page: browser.Browser, address: str, tmp_path: Path
) -> None:
    file = tmp_path / LONG
    file.write_bytes(b"content")
    page.go(address + "/")
    check(page, tmp_path / "first.png")
    page.click("a.button")
    assert page.value("document.querySelector('h1').textContent") == "Artifacts"
    page.choose_file("input[type=file]", file)
    page.click("button")
    assert page.value("location.pathname") == "/artifacts"
    assert page.value("document.querySelector('.note').textContent") == f"{LONG} was uploaded."
    check(page, tmp_path / "list.png")
    page.click(".files a")
    assert page.value("document.querySelector('h1').textContent") == LONG
    check(page, tmp_path / "artifact.png")
    page.click("button.danger")
    assert "was deleted" in page.value("document.querySelector('.note').textContent")
    assert page.value("document.querySelectorAll('.files li').length") == 0


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 768, 1440])
def test_text_can_be_read_on_any_screen(
    page: browser.Browser, address: str, tmp_path: Path, width: int, dark: bool
) -> None:
    page.resize(width, 900, dark=dark)
    for path in ("/", "/artifacts"):
        page.go(address + path)
        check(page, tmp_path / "page.png")
        colors = page.value(
            "[...document.querySelectorAll('body, a, .button, button, .quiet, dt')].map(e => {"
            "let b = e; while (getComputedStyle(b).backgroundColor == 'rgba(0, 0, 0, 0)')"
            " b = b.parentElement;"
            "return [getComputedStyle(e).color, getComputedStyle(b).backgroundColor]})"
        )
        assert len(colors) >= 3
        for front, back in colors:
            # WCAG 2.2, success criterion 1.4.3.
            assert contrast(front, back) >= 4.5, (front, back)


def contrast(front: str, back: str) -> float:
    """Return the contrast of two colours as WCAG 2.2 defines it."""

    def luminance(color: str) -> float:
        parts = [int(part) / 255 for part in color.partition("(")[2].rstrip(")").split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(front), luminance(back)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
