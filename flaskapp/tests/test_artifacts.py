"""The pages of artifacts, as a browser without JavaScript uses them."""

import io
import re
import uuid

import pytest
from flask.testing import FlaskClient

from tests import services as local
from tests.test_pages import Page


def page(client: FlaskClient, path: str = "/artifacts", status: int = 200) -> Page:
    response = client.get(path)
    assert response.status_code == status
    return Page(response.text)


def token(client: FlaskClient, path: str = "/artifacts") -> str:
    [value] = [
        a["value"] for tag, a in page(client, path).tags if tag == "input" and a["type"] == "hidden"
    ]
    assert value
    return value


def upload(client: FlaskClient, name: str, content: bytes) -> str:
    """Upload as the form does; return the path of the artifact."""
    before = set(artifact_links(client))
    response = client.post(
        "/artifacts", data={"csrf_token": token(client), "file": (io.BytesIO(content), name)}
    )
    assert response.status_code == 303
    assert response.location == "/artifacts"
    [path] = set(artifact_links(client)) - before
    return path


def artifact_links(client: FlaskClient) -> list[str]:
    return [
        link for link in page(client).links() if re.fullmatch(r"/artifacts/[0-9a-f-]{36}", link)
    ]


def test_a_file_goes_its_whole_way(live: FlaskClient, services: local.Services) -> None:
    assert "There are none yet." in page(live).text
    content = bytes(range(256)) * 40
    path = upload(live, "café & <b>.bin", content)
    assert services.keys() == [f"qa/qa-fix-login/artifacts/{path.rpartition('/')[2]}"]
    shown = page(live, path)
    assert "café & <b>.bin" in shown.text
    assert "10 kB" in shown.text
    download = live.get(path + "/content")
    assert download.data == content
    assert download.headers["Content-Length"] == str(len(content))
    assert download.content_type == "application/octet-stream"
    # RFC 8187, section 3.2.1, with the UTF-8 of each character that isn't plain.
    assert (
        download.headers["Content-Disposition"]
        == "attachment; filename*=UTF-8''caf%C3%A9%20%26%20%3Cb%3E.bin"
    )
    gone = live.post(path + "/delete", data={"csrf_token": token(live, path)})
    assert gone.status_code == 303
    assert services.keys() == []
    assert live.get(path).status_code == 404
    assert live.get(path + "/content").status_code == 404


def test_what_happened_is_said_once(live: FlaskClient) -> None:
    live.post("/artifacts", data={"csrf_token": token(live), "file": (io.BytesIO(b"x"), "a.txt")})
    assert "a.txt was uploaded." in page(live).text
    assert "was uploaded" not in page(live).text


def test_an_empty_file_is_a_file(live: FlaskClient) -> None:
    path = upload(live, "empty", b"")
    assert live.get(path + "/content").data == b""


def test_a_file_of_several_parts_arrives_whole(live: FlaskClient) -> None:
    content = bytes(range(251)) * 45_000
    assert len(content) > 2 * 5 * 1024 * 1024
    head = (
        f'--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{token(live)}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename="large"\r\n\r\n'
    )
    sent = live.post(
        "/artifacts",
        data=head.encode() + content + b"\r\n--b--\r\n",
        content_type="multipart/form-data; boundary=b",
    )
    assert sent.status_code == 303
    [path] = artifact_links(live)
    assert live.get(path + "/content").data == content


def test_two_files_may_have_one_name(live: FlaskClient) -> None:
    first, second = upload(live, "same", b"1"), upload(live, "same", b"2")
    assert live.get(first + "/content").data == b"1"
    assert live.get(second + "/content").data == b"2"


def test_older_artifacts_are_on_further_pages(live: FlaskClient) -> None:
    for number in range(52):
        live.post(
            f"/api/artifacts?name={number}",
            data=b"",
            content_type="application/octet-stream",
        )
    first = artifact_links(live)
    assert len(first) == 50
    [older] = [link for link in page(live).links() if "before=" in link]
    second = [link for link in page(live, older).links() if link.startswith("/artifacts/")]
    assert len(second) == 2
    assert not set(first) & set(second)
    assert not [link for link in page(live, older).links() if "before=" in link]


# Each row: the case -> the form's data; what a form of ours never sends.
REFUSED: dict[str, tuple[dict[str, object], int]] = {
    "no token": ({"file": (b"x", "a.txt")}, 403),
    "another token": ({"csrf_token": "x" * 43, "file": (b"x", "a.txt")}, 403),
    "a token that is no text of ours": ({"csrf_token": "é", "file": (b"x", "a.txt")}, 403),
    "no file": ({"csrf_token": None}, 422),
    "a file without a name": ({"csrf_token": None, "file": (b"x", "")}, 422),
    "a file with a name too long": ({"csrf_token": None, "file": (b"x", "a" * 256)}, 422),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_a_wrong_form_is_refused(
    live: FlaskClient, services: local.Services, sentence: str
) -> None:
    fields, status = REFUSED[sentence]
    good = token(live)
    data = {
        name: (io.BytesIO(value[0]), value[1]) if isinstance(value, tuple) else value or good
        for name, value in fields.items()
    }
    assert live.post("/artifacts", data=data).status_code == status
    assert services.keys() == []
    assert artifact_links(live) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "nonsense"])
@pytest.mark.parametrize("path", ["/artifacts", "/api/artifacts?name=x"])
def test_another_site_can_change_nothing(live: FlaskClient, path: str, site: str) -> None:
    response = live.post(
        path,
        data=b"x",
        content_type="application/octet-stream",
        headers={"Sec-Fetch-Site": site},
    )
    assert response.status_code == 403


def test_a_token_of_another_visitor_is_refused(live: FlaskClient) -> None:
    other = live.application.test_client()
    response = live.post(
        "/artifacts", data={"csrf_token": token(other), "file": (io.BytesIO(b"x"), "a.txt")}
    )
    assert response.status_code == 403


def test_deleting_needs_the_token_too(live: FlaskClient) -> None:
    path = upload(live, "kept", b"x")
    assert live.post(path + "/delete").status_code == 403
    assert live.get(path).status_code == 200


def test_deleting_what_is_gone_is_no_error(live: FlaskClient) -> None:
    path = f"/artifacts/{uuid.uuid4()}/delete"
    assert live.post(path, data={"csrf_token": token(live)}).status_code == 303


@pytest.mark.parametrize("path", ["/artifacts", "/artifacts?before=%s"])
def test_a_page_works_without_javascript(live: FlaskClient, path: str) -> None:
    upload(live, "a.txt", b"x")
    shown = page(live, path.replace("%s", str(uuid.uuid4())))
    for tag, attributes in shown.tags:
        assert tag not in {"script", "style"}
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    [label] = [a["for"] for tag, a in shown.tags if tag == "label"]
    assert ("file", label) in [(a.get("type"), a.get("id")) for t, a in shown.tags if t == "input"]


def test_a_wrong_page_of_the_list_is_refused(live: FlaskClient) -> None:
    assert live.get("/artifacts?before=yesterday").status_code == 400


@pytest.mark.parametrize("path", ["/artifacts", "/api/artifacts", f"/artifacts/{uuid.uuid4()}"])
def test_without_a_database_artifacts_are_not_available(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 503
    assert "no database or no bucket" in response.text


def test_without_a_database_the_first_page_says_so(client: FlaskClient) -> None:
    assert "keeps no artifacts here" in client.get("/").text
