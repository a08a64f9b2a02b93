from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from slipway_app import create_app
from slipway_app.settings import Settings
from tests.conftest import COMMIT

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Gathers what the tests ask of a page, and refuses tags that don't nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def links(self) -> list[str]:
        return [
            value
            for _, attributes in self.tags
            for name, value in attributes.items()
            if name in {"href", "src", "action"} and value
        ]


PAGES = {"the first page": ("/", 200), "an error page": ("/nothing", 404)}


def page(client: FlaskClient, sentence: str) -> Page:
    path, status = PAGES[sentence]
    response = client.get(path)
    assert response.status_code == status
    assert response.content_type == "text/html; charset=utf-8"
    return Page(response.text)


def test_the_first_page_shows_environment_and_commit(client: FlaskClient) -> None:
    shown = page(client, "the first page")
    assert "qa-fix-login" in shown.text
    assert COMMIT in shown.text
    assert "eu-west-1" in shown.text


@pytest.mark.parametrize("sentence", PAGES)
def test_a_page_has_no_scripts_and_no_inline_styles(client: FlaskClient, sentence: str) -> None:
    for tag, attributes in page(client, sentence).tags:
        assert tag not in {"script", "style", "iframe", "object"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("sentence", PAGES)
def test_a_page_fits_a_phone(client: FlaskClient, sentence: str) -> None:
    tags = page(client, sentence).tags
    viewports = [a["content"] for tag, a in tags if tag == "meta" and a.get("name") == "viewport"]
    assert viewports == ["width=device-width, initial-scale=1"]
    assert ("html", {"lang": "en"}) in tags


@pytest.mark.parametrize("sentence", PAGES)
def test_every_link_of_a_page_leads_somewhere_here(client: FlaskClient, sentence: str) -> None:
    links = page(client, sentence).links()
    assert len(links) >= 3
    for link in links:
        assert link.startswith("/")
        assert not link.startswith("//")
        assert client.get(link, buffered=True).status_code == 200


def test_the_stylesheet_of_another_commit_has_another_address() -> None:
    def stylesheet(commit: str) -> str:
        client = create_app(Settings(environment="dev", commit=commit)).test_client()
        [link] = [link for link in page(client, "the first page").links() if ".css" in link]
        return link

    assert stylesheet("a" * 40) != stylesheet("b" * 40)


def test_values_are_escaped() -> None:
    # Settings.from_environ would refuse it; the page doesn't rely on that.
    client = create_app(Settings(environment="<b>&", commit='"><i>')).test_client()
    html = client.get("/").text
    assert "<b>" not in html
    assert "<i>" not in html
    assert "&lt;b&gt;&amp;" in html
