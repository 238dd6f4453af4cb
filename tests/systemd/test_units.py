"""The units as files: systemd understands every line, judges what relay may do, and both services agree."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "systemd"
SERVICES = ("relay.service", "relay@.service")
MOST_EXPOSED = 15  # tenths: 1.5
# What systemd 252 does not know yet, and says so.
LATER = {"FileDescriptorStorePreserve", "RestartSteps", "RestartMaxDelaySec"}


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """What systemd-analyze says."""
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units in a folder, with a relay where they look for one."""
    program = tmp_path / "relay"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in SERVICES:
        text = (UNITS / name).read_text().replace("/opt/relay/bin/relay", str(program))
        (tmp_path / name.replace("@.", "@east.")).write_text(text)
    for folder in ("relay.service.d", "relay@east.service.d"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "secrets.conf").write_text((UNITS / "examples/secrets.conf").read_text())
    return tmp_path


@pytest.mark.parametrize("name", ["relay.service", "relay@east.service"])
def test_systemd_understands_every_line(installed: Path, name: str) -> None:
    """With the drop-in for secrets, and not a word of complaint."""
    found = analyze("verify", "--man=no", installed / name)
    assert [line for line in found.stderr.splitlines() if str(installed) in line or name in line] == []
    assert found.returncode == 0, found.stderr


def test_of_the_drop_in_for_newer_ones_an_older_systemd_ignores_just_what_it_does_not_know(installed: Path) -> None:
    """It goes on without: the unit stays good."""
    (installed / "relay.service.d/254.conf").write_text((UNITS / "relay.service.d/254.conf").read_text())
    found = analyze("verify", "--man=no", installed / "relay.service")
    complaints = [line for line in found.stderr.splitlines() if str(installed) in line]
    assert all(re.search(r"Unknown key(?: name)? '(\w+)'", line) for line in complaints), found.stderr
    assert set(re.findall(r"Unknown key(?: name)? '(\w+)'", found.stderr)) <= LATER
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_relay_may_do_little(name: str) -> None:
    """Systemd's own judgement is 1.5 or better; and the check can fail."""
    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", UNITS / name).returncode == 0
    assert analyze("security", "--offline=true", "--threshold=5", UNITS / name).returncode != 0


@pytest.mark.parametrize("name", SERVICES)
def test_the_score_that_the_unit_names_is_its_own(name: str) -> None:
    """Measured by the version that it names."""
    told = re.search(r"judges it: ([\d.]+) with systemd (\d+)", (UNITS / name).read_text())
    assert told
    version = re.search(r"systemd (\d+)", analyze("--version").stdout)
    score = re.search(r"exposure level for \S+: ([\d.]+)", analyze("security", "--offline=true", UNITS / name).stdout)
    assert version
    assert score
    assert version[1] != told[2] or score[1] == told[1]


@pytest.mark.parametrize("name", SERVICES)
def test_what_stays_off_has_its_reason(name: str) -> None:
    """Everything that systemd marks is named in the unit."""
    judged = analyze("security", "--offline=true", "--json=short", UNITS / name).stdout
    marked = set(
        re.findall(r'"set":false,"name":"([\w/=]+?)=', judged.replace("RootDirectory=/RootImage", "RootDirectory"))
    )
    off = (UNITS / name).read_text().partition("# What stays off:")[2]
    assert {one for one in marked if one not in off} == set()
    assert "PrivateNetwork" in marked


def test_both_services_may_do_the_same() -> None:
    """One node of several is in the sandbox of the one."""
    first, second = (
        (UNITS / name).read_text().partition("# What relay may do")[2].partition("[Install]")[0] for name in SERVICES
    )
    assert first == second != ""


@pytest.mark.parametrize(("tool", "file"), [("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")])
def test_the_user_and_the_folders_are_made_as_their_files_say(tmp_path: Path, tool: str, file: str) -> None:
    """In a tree of its own: a user `relay`, and folders of settings and secrets."""
    for folder in ("etc", "usr/lib"):
        (tmp_path / folder).mkdir(parents=True)
    words = ["--create"] if tool == "systemd-tmpfiles" else []
    subprocess.run([tool, *words, f"--root={tmp_path}", UNITS / file / "relay.conf"], check=True, capture_output=True)
    if tool == "systemd-sysusers":
        assert re.search(r"^relay:.*:/var/lib/relay:", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
    else:
        assert (tmp_path / "etc/relay/secrets").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "etc/relay").stat().st_mode & 0o777 == 0o755
