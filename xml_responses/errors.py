"""The one error of this package."""


class MalformedXML(Exception):
    """A request body is not well-formed, or not what the operation's schema asks for.

    The message says what is wrong, for a log; it holds nothing that the client sent.
    """
