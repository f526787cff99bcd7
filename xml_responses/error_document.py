"""The document of an error."""

from collections.abc import Mapping

from xml_responses.document import add, add_members, new_document, to_bytes


def error_document(
    *,
    code: str,
    message: str,
    detail: Mapping[str, str],
    resource: str | None,
    request_id: str,
    host_id: str,
) -> bytes:
    """Return the <Error> document, which has no namespace.

    detail: the code's own elements, in order, e.g. {"Key": "a/b"}. Names come from the server.
    resource: the path that was asked for; None leaves it out, as S3 does beside own elements.

    Any text is accepted, also what a client made of bytes that are not UTF-8.
    """
    root = new_document("Error", namespace=None)
    add(root, "Code", code)
    add(root, "Message", message)
    add_members(root, detail)
    add(root, "Resource", resource)
    add(root, "RequestId", request_id)
    add(root, "HostId", host_id)
    return to_bytes(root)
