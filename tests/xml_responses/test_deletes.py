from datetime import UTC, datetime

import pytest

from xml_responses.deletes import (
    Deleted,
    NotDeleted,
    ObjectIdentifier,
    delete_result,
    parse_delete,
)
from xml_responses.errors import MalformedXML


def delete(objects: str) -> bytes:
    return f"<Delete>{objects}</Delete>".encode()


def identifier(key: str) -> ObjectIdentifier:
    return ObjectIdentifier(key=key, version_id=None, etag=None, last_modified_time=None, size=None)


def test_delete_result() -> None:
    document = delete_result(
        deleted=[
            Deleted(key="plain"),
            Deleted(key="version", version_id="v1"),
            Deleted(key="marker made", delete_marker_version_id="v2"),
            Deleted(key="marker deleted", version_id="v3", delete_marker_version_id="v3"),
        ],
        errors=[
            NotDeleted(key="a\x01", code="AccessDenied", message="Access Denied"),
            NotDeleted(key="b", version_id="v4", code="InternalError", message="Oh & no"),
        ],
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<Deleted><Key>plain</Key></Deleted>"
        b"<Deleted><Key>version</Key><VersionId>v1</VersionId></Deleted>"
        b"<Deleted><Key>marker made</Key>"
        b"<DeleteMarker>true</DeleteMarker>"
        b"<DeleteMarkerVersionId>v2</DeleteMarkerVersionId></Deleted>"
        b"<Deleted><Key>marker deleted</Key><VersionId>v3</VersionId>"
        b"<DeleteMarker>true</DeleteMarker>"
        b"<DeleteMarkerVersionId>v3</DeleteMarkerVersionId></Deleted>"
        b"<Error><Key>a&#x1;</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        b"<Error><Key>b</Key><VersionId>v4</VersionId>"
        b"<Code>InternalError</Code><Message>Oh &amp; no</Message></Error>"
        b"</DeleteResult>"
    )


def test_delete_result_of_a_quiet_delete_is_empty() -> None:
    assert delete_result(deleted=[], errors=[]).endswith(b'01/"/>')


def test_parse_delete_reads_every_member() -> None:
    body = (
        b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>'
        b"<Object><Key>a</Key><VersionId> null </VersionId><ETag>&quot;abc&quot;</ETag>"
        b"<LastModifiedTime>Wed, 21 Oct 2015 07:28:00 GMT</LastModifiedTime><Size>12</Size>"
        b"</Object></Delete>"
    )

    parsed = parse_delete(body)

    assert parsed.quiet is True
    assert parsed.objects == (
        ObjectIdentifier(
            key="a",
            version_id="null",
            etag="abc",
            last_modified_time=datetime(2015, 10, 21, 7, 28, tzinfo=UTC),
            size=12,
        ),
    )


@pytest.mark.parametrize(
    ("written", "key"),
    [
        pytest.param(" a ", " a ", id="spaces"),
        pytest.param(" ", " ", id="a space alone"),
        pytest.param("\t&#9;\n&#10;", "\t\t\n\n", id="tabs and line feeds"),
        pytest.param("a&#13;&#xD;b", "a\r\rb", id="carriage returns by reference"),
        pytest.param("<![CDATA[<a>&amp;]]>", "<a>&amp;", id="CDATA"),
        pytest.param("a<![CDATA[b]]>c", "abc", id="CDATA among text"),
        pytest.param("a<!-- no -->b<?no?>c", "abc", id="a comment and an instruction among text"),
        pytest.param("&lt;&amp;&gt;&quot;&apos;", "<&>\"'", id="the five entities"),
        pytest.param("ü€\U0001f600", "ü€\U0001f600", id="UTF-8"),
        pytest.param("a//b/../c/", "a//b/../c/", id="slashes and dots"),
    ],
)
def test_parse_delete_takes_a_key_as_it_is_written(written: str, key: str) -> None:
    body = delete(f"<Object><Key>{written}</Key></Object>")

    assert parse_delete(body).objects == (identifier(key),)


@pytest.mark.parametrize(
    ("etag", "read"),
    [("*", "*"), ('"*"', "*"), ("", ""), ('""', ""), ('"', '"'), ('W/"a"', 'W/"a"')],
)
def test_parse_delete_keeps_an_etag_that_can_match_nothing(etag: str, read: str) -> None:
    """Dropping a condition that makes no sense would delete what it was to protect."""
    body = delete(f"<Object><Key>a</Key><ETag>{etag}</ETag></Object>")

    assert parse_delete(body).objects[0].etag == read


def test_parse_delete_takes_an_empty_version_id_for_none() -> None:
    body = delete("<Object><Key>a</Key><VersionId></VersionId></Object>")

    assert parse_delete(body).objects == (identifier("a"),)


@pytest.mark.parametrize(
    ("quiet", "read"),
    [("true", True), ("1", True), ("false", False), ("0", False), ("\n true \n", True)],
)
def test_parse_delete_reads_quiet(quiet: str, *, read: bool) -> None:
    body = delete(f"<Object><Key>a</Key></Object><Quiet>{quiet}</Quiet>")

    assert parse_delete(body).quiet is read


def test_parse_delete_is_not_quiet_unless_asked() -> None:
    assert parse_delete(delete("<Object><Key>a</Key></Object>")).quiet is False


def test_parse_delete_reads_a_thousand_objects() -> None:
    item = "<Object><Key>a</Key></Object>"

    assert len(parse_delete(delete(item * 1_000)).objects) == 1_000
    with pytest.raises(MalformedXML):
        parse_delete(delete(item * 1_001))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no body"),
        pytest.param(delete(""), id="no object"),
        pytest.param(delete("<Quiet>true</Quiet>"), id="quiet about nothing"),
        pytest.param(delete("<Object/>"), id="no key"),
        pytest.param(delete("<Object><Key/></Object>"), id="empty key"),
        pytest.param(delete("<Object><Key>a</Key><Key>b</Key></Object>"), id="two keys"),
        pytest.param(delete("<Object><Key>a<b/></Key></Object>"), id="an element in a key"),
        pytest.param(delete("<Object><Key>a&#x1;</Key></Object>"), id="forbidden reference"),
        pytest.param(delete("<Object><Key>a\x01</Key></Object>"), id="forbidden character"),
        pytest.param(
            delete("<Object><Key>a</Key></Object><Quiet>yes</Quiet>"), id="neither true nor false"
        ),
        pytest.param(
            delete("<Object><Key>a</Key></Object><Quiet>true</Quiet><Quiet>false</Quiet>"),
            id="quiet and not quiet",
        ),
        pytest.param(
            delete("<Object><Key>a</Key><Size>1_0</Size></Object>"), id="a size that int() takes"
        ),
        pytest.param(delete("<Object><Key>a</Key><Size/></Object>"), id="empty size"),
        pytest.param(
            delete("<Object><Key>a</Key><LastModifiedTime/></Object>"), id="empty timestamp"
        ),
    ],
)
def test_parse_delete_refuses(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_delete(body)
