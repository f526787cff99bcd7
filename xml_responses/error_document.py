"""The document of an error."""

from collections.abc import Mapping

from xml_responses.document import add, add_members, new_document, readable, to_bytes


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

    Any text is accepted, also what a client made of bytes that are not UTF-8. What XML cannot hold
    becomes U+FFFD: a client that cannot parse an error does not learn its code.
    """
    root = new_document("Error", namespace=None)
    add(root, "Code", code)
    add(root, "Message", readable(message))
    add_members(root, {name: readable(text) for name, text in detail.items()})
    add(root, "Resource", None if resource is None else readable(resource))
    add(root, "RequestId", request_id)
    add(root, "HostId", host_id)
    return to_bytes(root)
