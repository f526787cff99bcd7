"""Archives of backups that nobody else uses."""

from typing import Final

from server.blobs.archive import Wait

AT_ONCE: Final = Wait(0, lambda _: None)
