import pytest

from xml_responses.errors import MalformedXML
from xml_responses.tagging import Tag, parse_tagging, tagging


def test_tagging_document() -> None:
    assert tagging([Tag("colour", "red & blue"), Tag("empty", "")]) == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b"<TagSet>"
        b"<Tag><Key>colour</Key><Value>red &amp; blue</Value></Tag>"
        b"<Tag><Key>empty</Key><Value></Value></Tag>"
        b"</TagSet>"
        b"</Tagging>"
    )


def test_tagging_document_without_tags() -> None:
    assert tagging([]).endswith(b"<TagSet/></Tagging>")


def test_parse_tagging_reads_tags_in_order_with_their_white_space() -> None:
    body = (
        b"<Tagging><TagSet>\n <Tag><Value> b </Value><Key> a</Key></Tag>\n"
        b" <Tag><Key> a</Key><Value/></Tag></TagSet></Tagging>"
    )

    assert parse_tagging(body) == (Tag(" a", " b "), Tag(" a", ""))


def test_parse_tagging_reads_an_empty_set() -> None:
    assert parse_tagging(b"<Tagging><TagSet/></Tagging>") == ()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="no body"),
        pytest.param(b"<Tagging/>", id="no TagSet"),
        pytest.param(b"<Tagging><TagSet/><TagSet/></Tagging>", id="two TagSets"),
        pytest.param(b"<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>", id="no value"),
        pytest.param(
            b"<Tagging><TagSet><Tag><Value>a</Value></Tag></TagSet></Tagging>", id="no key"
        ),
        pytest.param(
            b"<Tagging><TagSet><Tag><Key>a</Key><Key>b</Key><Value>c</Value></Tag></TagSet>"
            b"</Tagging>",
            id="two keys",
        ),
        pytest.param(
            b"<Tagging><TagSet>" + b"<Tag/>" * 1_000 + b"</TagSet></Tagging>", id="too many"
        ),
    ],
)
def test_parse_tagging_refuses(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse_tagging(body)
