import subprocess
import sys

from server.blobs.read_only import ReadOnlyFlag

SET_IN_A_CHILD = """
import os
from server.blobs.read_only import ReadOnlyFlag

flag = ReadOnlyFlag()
if os.fork() == 0:
    flag.set()
    os._exit(0)
os.wait()
print(flag.is_set)
"""


def test_read_only_flag_is_clear_at_first() -> None:
    assert not ReadOnlyFlag().is_set


def test_read_only_flag_set_by_one_process_is_set_in_all() -> None:
    """A process of its own, since one with threads must not fork."""
    parent = subprocess.run(
        [sys.executable, "-c", SET_IN_A_CHILD], capture_output=True, text=True, check=True
    )

    assert parent.stdout == "True\n"
