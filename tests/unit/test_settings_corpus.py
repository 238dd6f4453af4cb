"""The corpus of broken settings files: each is refused with the words that stand in the text file beside it."""

import shutil
from pathlib import Path

import pytest

from relay.providers import discover
from relay.settings import BadSettings, load_settings

CORPUS = Path(__file__).parents[1] / "bad_configs"
MODELS = {name: provider.settings for name, provider in discover().items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the corpus in which there is a `secret` that only its owner may read."""
    copy = shutil.copytree(CORPUS, tmp_path / "corpus")
    secret = copy / "secret"
    secret.write_text("a-secret-that-fits\n")
    secret.chmod(0o600)
    return copy


@pytest.mark.parametrize("name", sorted(file.stem for file in CORPUS.glob("*.toml")))
def test_a_broken_file_is_refused_in_the_words_beside_it(name: str, folder: Path) -> None:
    """Every problem of a file is told, in the order of its lines, each with the cure."""
    with pytest.raises(BadSettings) as refused:
        load_settings(path=folder / f"{name}.toml", environment={}, line_models=MODELS)
    assert str(refused.value).replace(f"{folder}/", "") == (CORPUS / f"{name}.txt").read_text().rstrip("\n")


@pytest.mark.parametrize("name", sorted(file.stem for file in CORPUS.glob("*.toml")))
def test_no_refusal_shows_a_secret(name: str) -> None:
    """What the corpus marks as a secret is in no expected text."""
    assert "MARKED-SECRET" not in (CORPUS / f"{name}.txt").read_text()


def test_the_corpus_has_a_text_for_every_file_and_a_file_for_every_text() -> None:
    """A file that nobody walks proves nothing."""
    files, texts = ({file.stem for file in CORPUS.glob(ending)} for ending in ("*.toml", "*.txt"))
    assert files == texts
    assert len(files) > 20
