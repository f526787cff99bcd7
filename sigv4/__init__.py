"""AWS signatures as S3 checks them: Version 4, its chunked bodies, and the older Version 2.

No I/O, no clock and no look-up of keys: bytes and the time come in, a verdict comes out.
Start in authentication.py; chunks.py decodes the bodies whose chunks are signed.
"""
