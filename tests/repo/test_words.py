"""What the documents say is so, and no file says where it was made."""

import re

import pytest

from tests.repo.sources import ROOT, project_files

README = (ROOT / "README.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()

_REGISTRIES = r"files\.pythonhosted|pypi\.org/simple|registry\.npmjs|deb\.debian\.org|proxy\.golang"
_MACHINE_PATHS = r"(?<![\w./-])/(home/\w|root/|Users/\w|work/\w|tmp/\w+/v/)"


DOCUMENTS = README + CONTRIBUTING + (ROOT / "CHANGELOG.md").read_text()
PATHS = sorted(
    set(re.findall(r"(?<![\w/])(?:(?:config|docs|scripts|systemd|tests)/[\w./-]*\w|relay/\w[\w/]*\.py)", DOCUMENTS))
)


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def test_every_make_command_in_the_documents_exists() -> None:
    """Whoever copies a command out of a document gets what it says."""
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", DOCUMENTS, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= _targets()


def test_every_make_target_explains_itself() -> None:
    """`make` alone lists every target with a sentence."""
    explained = set(re.findall(r"^([a-z]+):.*## \S", MAKEFILE, re.MULTILINE))
    assert explained == _targets()


@pytest.mark.parametrize("path", PATHS)
def test_every_file_named_in_the_documents_exists(path: str) -> None:
    """Whoever is sent to a file finds it."""
    assert (ROOT / path).exists()


def test_the_layout_is_the_one_described() -> None:
    """CONTRIBUTING.md lists every folder and file at the top of relay/, and nothing that is not there."""
    listing = CONTRIBUTING.partition("```text\nrelay/\n")[2].partition("```")[0]
    described = set(re.findall(r"^  (\w+(?:\.py|/))", listing, re.MULTILINE))
    files = (path.name for path in (ROOT / "relay").glob("*.py") if path.name != "__init__.py")
    folders = (f"{path.parent.name}/" for path in (ROOT / "relay").glob("*/__init__.py"))
    assert described == {*files, *folders}


def test_no_file_names_a_registry_or_a_path_of_somebodys_machine() -> None:
    """The project is the same wherever it is built."""
    unwanted = re.compile(f"{_REGISTRIES}|{_MACHINE_PATHS}")
    texts = ((path, path.read_bytes().decode(errors="replace")) for path in project_files())
    assert [str(path.relative_to(ROOT)) for path, text in texts if unwanted.search(text)] == []


def test_what_is_run_on_every_change_is_what_the_readme_says() -> None:
    """.ci/run calls the README's test command and nothing else."""
    lines = (ROOT / ".ci/run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make test"]
    assert "make test" in README
