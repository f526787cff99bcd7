from xml_responses.error_document import error_document


def test_error_document_has_the_elements_of_its_code_before_the_request_id() -> None:
    document = error_document(
        code="NoSuchKey",
        message="The specified key does not exist.",
        detail={"Key": "a<b>\x00\x01\ud800", "VersionId": "null"},
        resource=None,
        request_id="4442587FB7D0A2F9",
        host_id="aGVsbG8=",
    )

    assert document == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error>"
        b"<Code>NoSuchKey</Code>"
        b"<Message>The specified key does not exist.</Message>"
        b"<Key>a&lt;b&gt;\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</Key>"
        b"<VersionId>null</VersionId>"
        b"<RequestId>4442587FB7D0A2F9</RequestId>"
        b"<HostId>aGVsbG8=</HostId>"
        b"</Error>"
    )


def test_error_document_names_the_resource() -> None:
    document = error_document(
        code="AccessDenied",
        message="Access Denied",
        detail={},
        resource="/bucket/key",
        request_id="1",
        host_id="2",
    )

    assert b"<Message>Access Denied</Message><Resource>/bucket/key</Resource>" in document
