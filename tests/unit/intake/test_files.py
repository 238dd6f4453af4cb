"""Attachments by name: from one folder, and from nowhere else."""

from pathlib import Path

import pytest

from relay.domain.errors import ErrorCode, Refused
from relay.domain.messages import Media
from relay.intake import MediaFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a picture, a secret beside it, and a link to the secret in it."""
    root = tmp_path / "media"
    (root / "maps").mkdir(parents=True)
    (root / "maps" / "a.png").write_bytes(b"picture")
    (tmp_path / "secret").write_bytes(b"secret")
    (root / "link").symlink_to(tmp_path / "secret")
    return root


def media(file: str | None, filename: str | None = None, data: bytes = b"") -> Media:
    """An attachment of a request."""
    return Media("image/png", filename, data, file)


async def test_a_named_file_is_taken_with_its_name(folder: Path) -> None:
    """The bytes go to the journal with the request, so that the file may change or go."""
    assert await MediaFolder(folder).filled([media("maps/a.png")]) == (media(None, "a.png", b"picture"),)


async def test_the_requests_own_name_for_a_file_is_kept(folder: Path) -> None:
    """What recipients see is the sender's choice."""
    [found] = await MediaFolder(folder).filled([media("maps/a.png", "map.png")])
    assert found.filename == "map.png"


async def test_what_brings_its_bytes_needs_no_folder() -> None:
    """Nothing is looked for on the disk."""
    given = media(None, "a.png", b"x")
    assert await MediaFolder().filled([given]) == (given,)


@pytest.mark.parametrize(
    "name", ["../secret", "maps/../../secret", "link", "/etc/passwd", "maps", "missing.png", "maps/a.png/x", "a" * 500]
)
async def test_nothing_outside_the_folder_is_taken(folder: Path, name: str) -> None:
    """Not by dots, not by a link, not by an absolute path; and the name is not repeated in the error."""
    with pytest.raises(Refused) as refused:
        await MediaFolder(folder).filled([media(None, data=b"x"), media(name)])
    problem = refused.value.problem
    assert (problem.code, problem.detail[:16]) == (ErrorCode.INVALID_REQUEST, "`media[1].file`:")
    assert name not in problem.detail or name == "maps"


async def test_without_a_folder_a_name_is_refused_with_the_cure() -> None:
    """The setting is named."""
    with pytest.raises(Refused, match=r"media\.folder") as refused:
        await MediaFolder().filled([media("a.png")])
    assert refused.value.problem.code is ErrorCode.UNSUPPORTED_MEDIA


async def test_a_file_over_the_limit_is_refused(folder: Path) -> None:
    """And not read whole to find that out."""
    (folder / "large").write_bytes(b"x" * 101)
    assert await MediaFolder(folder, 101).filled([media("large")])
    with pytest.raises(Refused) as refused:
        await MediaFolder(folder, 100).filled([media("large")])
    assert refused.value.problem.code is ErrorCode.TOO_LARGE
