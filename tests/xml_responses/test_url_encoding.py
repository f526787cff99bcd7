from urllib.parse import unquote, unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xml_responses.url_encoding import key_encoder

KEYS = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize(
    ("key", "encoded"),
    [
        pytest.param("quux ab/thud", "quux%20ab/thud", id="space, as Ceph's s3-tests ask"),
        pytest.param("foo+1/bar", "foo%2B1/bar", id="plus"),
        pytest.param("test_file(3).png", "test_file%283%29.png", id="example of the S3 reference"),
        pytest.param("100%.csv", "100%25.csv", id="percent"),
        pytest.param("한글/x", "%ED%95%9C%EA%B8%80/x", id="UTF-8"),
        pytest.param("\x01\r\n", "%01%0D%0A", id="control characters"),
        pytest.param("-._~/aZ9", "-._~/aZ9", id="kept as they are"),
    ],
)
def test_encoding_type_url_encodes(key: str, encoded: str) -> None:
    assert key_encoder("url")(key) == encoded


def test_no_encoding_type_leaves_keys_as_they_are() -> None:
    assert key_encoder(None)("a +%") == "a +%"


@settings(deadline=None)
@given(key=KEYS)
def test_percent_decoders_and_form_decoders_read_the_same_key(key: str) -> None:
    """botocore, rclone and the Java SDK decode forms; others leave a plus sign alone."""
    encoded = key_encoder("url")(key)

    assert unquote(encoded) == key
    assert unquote_plus(encoded) == key
