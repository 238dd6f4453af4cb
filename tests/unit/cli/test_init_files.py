"""The files of `relay init`: all or none, and for whom they are; and the rights that the broker's part grants."""

import os
import stat
from pathlib import Path

import pytest

from relay.bus.topics import Topics, may_answer_at
from relay.cli.setup.brokerfiles import acl_text, conf_text, rights
from relay.cli.setup.files import PRIVATE, File, write_all
from relay.cli.setup.place import Place, usual_place
from relay.settings import Settings
from tests.unit.cli.test_init_settings import draft_of


def modes(folder: Path) -> dict[str, int]:
    """Everything below a folder, with its rights."""
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in sorted(folder.rglob("*"))}


def some(folder: Path) -> list[File]:
    """A settings file and a secret."""
    return [File(folder / "made/relay.toml", "settings\n"), File(folder / "made/secrets/one", "secret\n", PRIVATE)]


def test_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask is, and where a folder stood open before."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made/secrets").mkdir(mode=0o755)
    before = os.umask(0)
    try:
        write_all(some(tmp_path), [tmp_path / "made/state"])
    finally:
        os.umask(before)
    assert modes(tmp_path / "made") == {"relay.toml": 0o644, "secrets": 0o700, "secrets/one": 0o600, "state": 0o700}


@pytest.mark.parametrize("there", ["made/relay.toml", "made/secrets/one"])
def test_a_file_that_is_there_stays_and_nothing_is_left_beside_it(tmp_path: Path, there: str) -> None:
    """Not a link to it, not a draft, not a folder."""
    (tmp_path / there).parent.mkdir(parents=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError):
        write_all(some(tmp_path), [tmp_path / "made/state"])
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / there]
    assert (tmp_path / there).read_text() == "mine"
    assert not (tmp_path / "made/state").exists()


def test_a_folder_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    """What was made before it is taken away again."""
    (tmp_path / "blocked").write_text("a file")
    files = [*some(tmp_path), File(tmp_path / "blocked/relay.acl", "rights\n")]
    with pytest.raises(OSError, match="blocked"):
        write_all(files, [])
    assert [path.name for path in tmp_path.iterdir()] == ["blocked"]


def test_what_may_be_replaced_is_replaced_at_once(tmp_path: Path) -> None:
    """With the new rights; a link is replaced, and not followed."""
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "relay.toml").symlink_to(tmp_path / "elsewhere")
    write_all([File(tmp_path / "relay.toml", "new\n", replaces=True)], [])
    assert ((tmp_path / "relay.toml").read_text(), (tmp_path / "elsewhere").read_text()) == ("new\n", "mine")
    assert modes(tmp_path)["relay.toml"] == 0o644


@pytest.fixture
def settings() -> Settings:
    """Those of a short code, over TLS."""
    return draft_of("att-sms").settings()


def test_relay_may_do_what_it_does_and_no_more(settings: Settings) -> None:
    """Every topic that it hears and publishes on is granted; those of others are not."""
    granted = list(rights(settings))
    heard = [topic for right, topic in granted if "read" in right]
    said = [topic for right, topic in granted if "write" in right]
    topics = Topics(settings.bus.base)
    commands = [topic.replace("+", "shop") for topic in topics.subscriptions(["one"])]
    own = [*topics.own(["one"], "node-1"), topics.line("one", "result", "shop"), topics.line("one", "event/stop")]
    assert [topic for topic in commands if not may_answer_at(topic, heard)] == []
    assert [topic for topic in [*own, "reply/shop/1"] if not may_answer_at(topic, said)] == []
    assert [topic for topic in own if not may_answer_at(topic, heard)] == []  # how 3.1.1 tries a topic
    assert [topic for topic in [*commands, "other", "relay"] if may_answer_at(topic, said)] == []


def test_the_brokers_part_names_its_files_where_the_broker_reads_them(settings: Settings) -> None:
    """The service's in /etc/mosquitto, with TLS where relay speaks it."""
    conf = conf_text(settings, Place(Path("/etc/relay")))
    assert "acl_file /etc/mosquitto/relay.acl" in conf
    assert "listener 8883\ncertfile" in conf
    assert "user " not in conf.replace("# ", "")
    assert "acl_file /lab/mosquitto/relay.acl" in conf_text(settings, Place(Path("/lab")))
    assert "user relay\ntopic read relay/line/+/send/#\n" in acl_text(settings)


def test_a_broker_that_asks_for_no_name_has_no_rights_to_grant() -> None:
    """Everybody may do everything there, and the configuration says so."""
    draft = draft_of("att-sms")
    draft.put(("bus", "username"), "")
    draft.put(("bus", "password"), "")
    conf = conf_text(draft.settings(), Place(Path("/etc/relay")))
    assert "allow_anonymous true" in conf
    assert "acl_file" not in conf


def test_the_usual_place_is_where_relay_looks_for_root() -> None:
    """Others have a folder of their own."""
    assert Place(usual_place({}, 0)).is_service
    assert usual_place({"HOME": "/people/me"}, 1000) == Path("/people/me/.config/relay")
    assert usual_place({"HOME": "/people/me", "XDG_CONFIG_HOME": "/x"}, 1000) == Path("/x/relay")
