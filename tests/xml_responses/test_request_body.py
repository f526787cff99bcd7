"""The rules of security.md, "XML": each is a mistake that a released S3 server made."""

import time

import pytest

from xml_responses.errors import MalformedXML
from xml_responses.request_body import boolean, integer, parse, texts

S3 = "http://s3.amazonaws.com/doc/2006-03-01/"
LAUGHS = "".join(f'<!ENTITY lol{level} "{f"&lol{level - 1};" * 10}">' for level in range(1, 10))


def key_of(body: bytes) -> str:
    return texts(parse(body, "Delete", max_elements=1_000), ("Key",))["Key"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<Delete><Key>a</Key></Delete>", id="no namespace"),
        pytest.param(f'<Delete xmlns="{S3}"><Key>a</Key></Delete>', id="default namespace"),
        pytest.param(f'<s:Delete xmlns:s="{S3}"><s:Key>a</s:Key></s:Delete>', id="prefix"),
        pytest.param(f'<Delete><Key xmlns="{S3}">a</Key></Delete>', id="on a child alone"),
        pytest.param('<?xml version="1.0"?><Delete><Key>a</Key></Delete>', id="declaration"),
        pytest.param(
            '<?xml version="1.0" encoding="utf-8" standalone="yes"?><Delete><Key>a</Key></Delete>',
            id="declared encoding",
        ),
        pytest.param("\ufeff<Delete><Key>a</Key></Delete>", id="byte order mark, as .NET sends"),
        pytest.param("\n <Delete>\n <Key>a</Key>\n</Delete>\n ", id="white space around"),
        pytest.param(
            "<!-- a --><?b c?><Delete><!-- d --><Key>a</Key></Delete><!-- e -->", id="comments"
        ),
        pytest.param(
            '<Delete x="y"><New><Key>b</Key></New><Key>a</Key></Delete>', id="unknown elements"
        ),
        pytest.param(
            '<Delete><Key xmlns="urn:other">b</Key><Key>a</Key></Delete>', id="another namespace"
        ),
    ],
)
def test_parse_reads(body: str) -> None:
    assert key_of(body.encode()) == "a"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"Delete", id="no element"),
        pytest.param(b"<Delete>", id="not closed"),
        pytest.param(b"<Delete></Other>", id="closed by another"),
        pytest.param(b"<Delete/>junk", id="text after the root"),
        pytest.param(b"<Delete/><Delete/>", id="two roots"),
        pytest.param(b"<Delete/>\0", id="NUL after the root"),
        pytest.param(b' <?xml version="1.0"?><Delete/>', id="declaration not at the start"),
        pytest.param(b"<Other/>", id="another root"),
        pytest.param(b"<delete/>", id="another case"),
        pytest.param(b'<Delete xmlns="urn:other"/>', id="root of another namespace"),
        pytest.param(b"<s:Delete/>", id="unknown prefix"),
        pytest.param(b"<Delete>&nbsp;</Delete>", id="unknown entity"),
        pytest.param(b"<Delete>&#0;</Delete>", id="reference to NUL"),
        pytest.param(b"<Delete>]]></Delete>", id="end of CDATA in text"),
        pytest.param(b'<Delete a="1" a="2"/>', id="an attribute twice"),
        pytest.param(b"<Delete>\xff</Delete>", id="not UTF-8"),
        pytest.param(b"<Delete>\xc0\xbc</Delete>", id="overlong UTF-8"),
        pytest.param(b"<Delete>\xed\xa0\x80</Delete>", id="surrogate in UTF-8"),
    ],
)
def test_parse_refuses_what_is_not_well_formed(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse(body, "Delete", max_elements=1_000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<Delete/>".encode("utf-16"), id="UTF-16 with a mark"),
        pytest.param("<Delete/>".encode("utf-16-le"), id="UTF-16 without a mark"),
        pytest.param("<Delete/>".encode("utf-16-be"), id="UTF-16, big-endian, without a mark"),
        pytest.param("<Delete/>".encode("utf-32"), id="UTF-32"),
        pytest.param("<Delete/>".encode("cp500"), id="EBCDIC"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-7"?>+ADw-Delete/+AD4-', id="UTF-7"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-7"?><Delete/>', id="declared UTF-7"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-16"?><Delete/>', id="declared UTF-16"),
        pytest.param(b'<?xml version="1.0" encoding="ISO-8859-1"?><Delete/>', id="Latin-1"),
        pytest.param(
            '<?xml version="1.0" encoding="UTF-16"?><Delete/>'.encode("utf-16"),
            id="UTF-16 through and through",
        ),
    ],
)
def test_parse_refuses_every_encoding_but_utf_8(body: bytes) -> None:
    with pytest.raises(MalformedXML):
        parse(body, "Delete", max_elements=1_000)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<!DOCTYPE Delete><Delete/>", id="empty"),
        pytest.param('<!DOCTYPE Delete SYSTEM "http://127.0.0.1:9/x.dtd"><Delete/>', id="external"),
        pytest.param('<!DOCTYPE Delete PUBLIC "a" "file:///etc/passwd"><Delete/>', id="public"),
        pytest.param("<!-- a --><?b?>\n<!DOCTYPE Delete []><Delete/>", id="after a comment"),
        pytest.param(
            '<!DOCTYPE Delete [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
            "<Delete><Key>&e;</Key></Delete>",
            id="external entity",
        ),
        pytest.param(
            '<!DOCTYPE Delete [<!ENTITY % e SYSTEM "file:///etc/passwd"> %e;]><Delete/>',
            id="parameter entity",
        ),
        pytest.param(
            f'<!DOCTYPE Delete [<!ENTITY lol0 "lol">{LAUGHS}]><Delete><Key>&lol9;</Key></Delete>',
            id="a billion laughs",
        ),
        pytest.param(
            f'<!DOCTYPE Delete [<!ENTITY lol0 "lol">{LAUGHS}]><Delete a="&lol9;"/>',
            id="a billion laughs in an attribute",
        ),
        pytest.param(
            f'<!DOCTYPE Delete [<!ENTITY a "{"a" * 100_000}">]><Delete>{"&a;" * 100_000}</Delete>',
            id="quadratic blow-up",
        ),
    ],
)
def test_parse_refuses_a_doctype(body: str) -> None:
    with pytest.raises(MalformedXML, match="DOCTYPE"):
        parse(body.encode(), "Delete", max_elements=1_000)


def test_parse_takes_the_text_of_a_doctype_in_a_key() -> None:
    assert key_of(b"<Delete><Key><![CDATA[<!DOCTYPE a>]]></Key></Delete>") == "<!DOCTYPE a>"


def test_parse_reads_sixteen_levels_and_refuses_more() -> None:
    deep = "<Delete>" + "<a>" * 15 + "</a>" * 15 + "</Delete>"
    deeper = "<Delete>" + "<a>" * 16 + "</a>" * 16 + "</Delete>"

    assert parse(deep.encode(), "Delete", max_elements=1_000).tag == "Delete"
    with pytest.raises(MalformedXML, match="deep"):
        parse(deeper.encode(), "Delete", max_elements=1_000)


def test_parse_counts_the_elements_that_nobody_reads() -> None:
    assert len(parse(b"<Delete><a/><a/></Delete>", "Delete", max_elements=3)) == 2
    with pytest.raises(MalformedXML, match="many"):
        parse(b"<Delete><a/><a/><a/></Delete>", "Delete", max_elements=3)


def test_parse_counts_the_declarations_of_namespaces_among_the_elements() -> None:
    declared = b'<Delete xmlns:a="urn:a" xmlns:b="urn:b"/>'

    assert parse(declared, "Delete", max_elements=3).tag == "Delete"
    with pytest.raises(MalformedXML):
        parse(declared, "Delete", max_elements=2)


def test_parse_counts_attributes_among_the_elements() -> None:
    body = b'<Delete a="" b="" c=""/>'

    assert parse(body, "Delete", max_elements=4).tag == "Delete"
    with pytest.raises(MalformedXML):
        parse(body, "Delete", max_elements=3)


@pytest.mark.parametrize("quoted", [b"", b">", b"&gt;"])
def test_parse_refuses_a_tag_before_all_of_its_attributes_are_there(quoted: bytes) -> None:
    """Eight MiB of attributes in one tag held a worker for 1.3 s."""
    attributes = b" ".join(b"a%d='%b'" % (n, quoted) for n in range(600_000))
    body = b"<Delete " + attributes + b"/>"
    started = time.process_time()

    with pytest.raises(MalformedXML, match="a tag is too long"):
        parse(body, "Delete", max_elements=10_000_000)

    assert time.process_time() - started < 0.3


def test_parse_reads_a_long_tag() -> None:
    body = b"<Delete a='" + b"x" * 30_000 + b"'><Key>k</Key></Delete>"

    assert key_of(body) == "k"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<a>" * 350_000, id="nesting"),
        pytest.param(b"<Delete>" + b"<a/>" * 250_000 + b"</Delete>", id="elements"),
        pytest.param(
            b'<Delete xmlns="' + b"u" * 500_000 + b'">' + b"<b/>" * 125_000 + b"</Delete>",
            id="a long namespace",
        ),
        pytest.param(
            b"<Delete " + b" ".join(b'xmlns:n%d="u"' % n for n in range(60_000)) + b"></Delet>",
            id="namespaces",
        ),
        pytest.param(
            b"<Delete " + b" ".join(b'a%d=""' % n for n in range(90_000)) + b"></Delet>",
            id="attributes",
        ),
        pytest.param(b"<" + b"a" * 1_000_000 + b"/>", id="a long name"),
        pytest.param(b"<Delete>" + b"&lt;" * 250_000, id="text that is not closed"),
        pytest.param(b"<Delete>" + b"<!---->" * 150_000, id="comments"),
        pytest.param(b"<Delete><![CDATA[" + b"]]" * 500_000, id="CDATA that is not closed"),
        pytest.param(b"<Delete a='" + b"&amp;" * 200_000, id="an attribute that is not closed"),
    ],
)
def test_a_mebibyte_of_anything_is_refused_quickly(body: bytes) -> None:
    """Expat took 38 s for the long namespace, before its length was bounded."""
    started = time.process_time()

    with pytest.raises(MalformedXML):
        parse(body, "Delete", max_elements=20_000)

    assert time.process_time() - started < 2


def test_parse_reads_a_long_text() -> None:
    text = b"x" * 1_000_000

    assert key_of(b"<Delete><Key>" + text + b"</Key></Delete>") == text.decode()


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), (" \t\r\n1 ", 1), ("9999999999999999999", 9999999999999999999)],
)
def test_integer_reads(text: str, number: int) -> None:
    assert integer(text) == number


@pytest.mark.parametrize(
    "text", ["", " ", "-1", "+1", "1_0", "1.0", "1e3", "0x10", "٣", "\xa01", "1" * 20]
)
def test_integer_refuses_what_only_python_takes_for_a_number(text: str) -> None:
    with pytest.raises(MalformedXML):
        integer(text)


@pytest.mark.parametrize("text", ["", "True", "TRUE", "yes", "2", "tru e"])
def test_boolean_refuses_what_xml_schema_does_not_know(text: str) -> None:
    with pytest.raises(MalformedXML):
        boolean(text)
