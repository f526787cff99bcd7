"""What the house asks of every file, and of the README."""

import re
from pathlib import Path

import pytest

from server.routes import BUCKET, OBJECT, SERVICE

PROJECT = Path(__file__).parent.parent.parent
PACKAGES = ["server", "sigv4", "xml_responses", "tests"]
FILES = sorted(
    path.relative_to(PROJECT) for package in PACKAGES for path in (PROJECT / package).rglob("*.py")
)

MOST_LINES = 400
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "misc"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_fits_into_one_head(path: Path) -> None:
    lines = (PROJECT / path).read_text().count("\n")

    assert lines <= MOST_LINES


def test_no_module_is_named_after_nothing() -> None:
    named_after_nothing = [path for path in FILES if FORBIDDEN & {path.stem, *path.parent.parts}]

    assert named_after_nothing == []


@pytest.mark.parametrize("path", [path for path in FILES if path.parts[0] != "tests"], ids=str)
def test_a_package_is_imported_by_its_whole_name(path: Path) -> None:
    relative = re.findall(r"^\s*from \.", (PROJECT / path).read_text(), re.MULTILINE)

    assert relative == []


def operations_of_the_routes() -> dict[str, bool]:
    """Return every operation, and whether it has a handler."""
    rows = [*SERVICE.rows, *BUCKET.rows, *OBJECT.rows]
    return {row.operation.name: row.operation.handler is not None for row in rows}


def operations_of_the_readme() -> dict[str, bool]:
    """Read the README's two lists; each runs from its heading to the next one."""
    readme = (PROJECT / "README.md").read_text()
    listed: dict[str, bool] = {}
    for heading, has_handler in [("Operations", True), ("Not implemented", False)]:
        section = re.search(rf"^#+ {heading}\n(.*?)(?=^#|\Z)", readme, re.MULTILINE | re.DOTALL)
        assert section is not None, f"the README has no heading {heading!r}"
        listed |= dict.fromkeys(re.findall(r"`([A-Z][A-Za-z0-9]+)`", section[1]), has_handler)
    return {name: listed[name] for name in listed.keys() & operations_of_the_routes().keys()}


def test_the_readme_lists_every_operation_and_whether_it_is_implemented() -> None:
    assert operations_of_the_readme() == operations_of_the_routes()


def test_an_operation_has_a_file_of_its_name() -> None:
    implemented = [name for name, has_handler in operations_of_the_routes().items() if has_handler]
    files = {path.stem for path in (PROJECT / "server/operations").glob("*.py")} - {"__init__"}

    assert files == {snake_case(name) for name in implemented}


def snake_case(name: str) -> str:
    """Return the module of an operation: ListObjectsV2 lives in list_objects_v2."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
