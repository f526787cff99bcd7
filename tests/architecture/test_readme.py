"""What the README says of settings is what the server takes."""

import re
from pathlib import Path

from server.config import described

README = Path(__file__).parent.parent.parent / "README.md"


def settings_of_the_readme() -> dict[str, tuple[str, str]]:
    """Return the flag and the default of each environment name in the table of settings."""
    rows = re.findall(
        r"^\| (?:`--([a-z0-9-]+)`)? *\| `(S3D_[A-Z0-9_]+)` \| [^|]+ \| ([^|]+) \|",
        README.read_text(),
        re.MULTILINE,
    )
    return {environment: (flag, default.strip()) for flag, environment, default in rows}


def test_the_readme_lists_every_setting_with_its_flag_and_default() -> None:
    expected = {
        # DATA is the argument of `s3d serve`.
        setting.environment: (
            (setting.flag or "") if setting.name != "data" else "",
            setting.default,
        )
        for setting in described()
    }

    assert settings_of_the_readme() == expected
