import time
import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_app.artifacts import filesize
from slipway_app.catalog import NameFault, clean_name, new_id

# Each row: what a client sends -> the name that is kept.
NAMES: dict[str, tuple[str, str]] = {
    "a plain name": ("report.pdf", "report.pdf"),
    "a path, as some clients send": ("/home/me/report.pdf", "report.pdf"),
    "a path of Windows": ("C:\\files\\report.pdf", "report.pdf"),
    "a way out of a folder": ("../../etc/passwd", "passwd"),
    "blanks around it": ("  report.pdf ", "report.pdf"),
    "letters and marks apart, as on a Mac": ("cafe\u0301", "caf\u00e9"),
    "markup": ("<b>&\"'.txt", "<b>&\"'.txt"),
    "another script": ("報告.txt", "報告.txt"),
    "255 characters": ("a" * 255, "a" * 255),
}

# Each row: what is wrong with a name -> the name.
BAD_NAMES: dict[str, str | None] = {
    "nothing": None,
    "an empty name": "",
    "only blanks": "   ",
    "a folder": "files/",
    "the folder itself": ".",
    "the folder above": "a/..",
    "256 characters": "a" * 256,
    "a line end": "a\nb",
    "a NUL, which Postgres can't keep": "a\0b",
    "a change of the writing's direction": "a\u202efdp.exe",
    "half of a pair": "a\ud800",
}


@pytest.mark.parametrize("sentence", NAMES)
def test_a_name_is_cleaned(sentence: str) -> None:
    sent, kept = NAMES[sentence]
    assert clean_name(sent) == kept


@pytest.mark.parametrize("sentence", BAD_NAMES)
def test_a_bad_name_is_refused(sentence: str) -> None:
    with pytest.raises(NameFault):
        clean_name(BAD_NAMES[sentence])


@given(st.text())
def test_any_name_is_clean_or_refused(sent: str) -> None:
    try:
        name = clean_name(sent)
    except NameFault:
        return
    assert 1 <= len(name) <= 255
    assert "/" not in name
    assert name == clean_name(name) == unicodedata.normalize("NFC", name)
    name.encode()


def test_ids_are_of_version_7_and_in_order() -> None:
    ids = []
    for _ in range(5):
        ids.append(new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
    for made in ids:
        assert made.version == 7
        assert made.variant == uuid.RFC_4122
        assert abs((made.int >> 80) / 1000 - time.time()) < 60


SIZES = {
    0: "0 bytes",
    1: "1 byte",
    999: "999 bytes",
    1000: "1.0 kB",
    1499: "1.5 kB",
    9_950: "10 kB",
    999_499: "999 kB",
    999_500: "1.0 MB",
    16_777_216: "17 MB",
    1_500_000_000: "1.5 GB",
    5_000_000_000_000: "5.0 TB",
}


@pytest.mark.parametrize("size", SIZES)
def test_a_size_is_written_as_people_read_it(size: int) -> None:
    assert filesize(size) == SIZES[size]
