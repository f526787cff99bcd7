import hashlib

import pytest

from server.model.names import ETag
from server.rules.etags import multipart_etag, quote_etag, unquote_etag


@pytest.mark.parametrize("text", ['"9a03"', "9a03", ' "9a03" '])
def test_unquote_etag_takes_an_etag_with_or_without_quotes(text: str) -> None:
    assert unquote_etag(text) == "9a03"


def test_unquote_etag_takes_one_pair_of_quotes_only() -> None:
    assert unquote_etag('"') == '"'
    assert unquote_etag('""9a03""') == '"9a03"'


def test_quote_etag_is_undone_by_unquote_etag() -> None:
    assert quote_etag(ETag("9a03-2")) == '"9a03-2"'
    assert unquote_etag(quote_etag(ETag("9a03-2"))) == "9a03-2"


def test_multipart_etag_is_the_md5_of_the_parts_md5s_and_their_count() -> None:
    parts = [hashlib.md5(body) for body in (b"first", b"second")]
    expected = hashlib.md5(b"".join(part.digest() for part in parts)).hexdigest()

    assert multipart_etag([ETag(part.hexdigest()) for part in parts]) == f"{expected}-2"
