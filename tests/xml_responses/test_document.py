import pytest
from lxml import etree

from xml_responses.document import (
    XML_DECLARATION,
    add,
    add_row,
    escaped,
    new_document,
    to_bytes,
)


def document_with(text: str) -> bytes:
    root = new_document("Root", namespace=None)
    add(root, "Key", text)
    return to_bytes(root)


def test_a_document_starts_with_the_declaration_of_s3() -> None:
    assert document_with("a") == XML_DECLARATION + b"<Root><Key>a</Key></Root>"
    assert XML_DECLARATION == b'<?xml version="1.0" encoding="UTF-8"?>\n'


def test_the_namespace_is_on_the_root_alone() -> None:
    root = new_document("Root")
    add(root, "Key", "a")

    document = to_bytes(root)

    assert document.endswith(
        b'<Root xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Key>a</Key></Root>'
    )


def test_add_tells_a_missing_text_from_an_empty_one() -> None:
    root = new_document("Root", namespace=None)
    add(root, "Missing", None)
    add(root, "Empty", "")

    assert to_bytes(root).endswith(b"<Root><Empty></Empty></Root>")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("\x01", b"&#x1;", id="first of C0 a key may hold"),
        pytest.param("a\x1fb", b"a&#x1f;b", id="last of C0"),
        pytest.param("\x0b\x0c", b"&#xb;&#xc;", id="vertical tab and form feed"),
        pytest.param("\x00", b"&#x0;", id="NUL, which no key holds"),
        pytest.param("\ufffe\uffff", b"&#xfffe;&#xffff;", id="noncharacters"),
        pytest.param("<\x07>&", b"&lt;&#x7;&gt;&amp;", id="beside markup"),
        pytest.param("ü\x1b€\U0001f600", "ü&#x1b;€\U0001f600".encode(), id="beside UTF-8"),
    ],
)
def test_a_character_that_xml_forbids_is_written_as_s3_writes_it(text: str, written: bytes) -> None:
    assert document_with(text) == XML_DECLARATION + b"<Root><Key>" + written + b"</Key></Root>"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("a\rb", b"a&#13;b", id="CR would be read back as LF"),
        pytest.param("a\r\nb", b"a&#13;\nb", id="CR LF"),
        pytest.param("\ta\n", b"\ta\n", id="tab and LF are kept as they are"),
        pytest.param(" a ", b" a ", id="spaces"),
        pytest.param("]]>", b"]]&gt;", id="end of CDATA"),
        pytest.param("&#x1;", b"&amp;#x1;", id="the spelling of a forbidden character"),
        pytest.param("\x7f\x85\u2028", "\x7f\x85\u2028".encode(), id="C1 and line separators"),
    ],
)
def test_a_character_that_xml_allows_survives(text: str, written: bytes) -> None:
    document = document_with(text)

    assert document == XML_DECLARATION + b"<Root><Key>" + written + b"</Key></Root>"
    assert etree.fromstring(document).findtext("Key") == text


def test_bytes_of_a_header_that_were_not_utf_8_do_not_break_an_error() -> None:
    header = b"caf\xe9".decode("utf-8", "surrogateescape")

    assert document_with(header).endswith("<Key>caf\ufffd</Key></Root>".encode())


def test_rows_of_one_form_do_not_share_their_texts() -> None:
    root = new_document("Root", namespace=None)

    add_row(root, "Row", {"Key": "a", "Size": "1"})
    add_row(root, "Row", {"Key": "b\x01", "Size": "2"})
    add_row(root, "Row", {"Size": "3"})

    assert to_bytes(root).endswith(
        b"<Root><Row><Key>a</Key><Size>1</Size></Row>"
        b"<Row><Key>b&#x1;</Key><Size>2</Size></Row>"
        b"<Row><Size>3</Size></Row></Root>"
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a&b<c>d", id="markup"),
        pytest.param("]]>", id="end of a CDATA section"),
        pytest.param("a\r\n\tb", id="white space"),
        pytest.param("\x01\x0b\x1f\ufffe\uffff", id="what XML cannot hold"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param("é€😀 \"'", id="what stays"),
    ],
)
def test_a_row_spells_text_as_an_element_does(text: str) -> None:
    root = new_document("Rows")
    add(root, "Key", text)

    assert to_bytes(new_document("Rows"), [f"<Key>{escaped(text)}</Key>"]) == to_bytes(root)


def test_rows_stand_behind_the_elements_of_the_root() -> None:
    root = new_document("Rows")
    add(root, "Name", "a")

    document = to_bytes(root, ["<Row>1</Row>", "<Row>2</Row>"])

    assert [child.text for child in etree.fromstring(document)] == ["a", "1", "2"]
