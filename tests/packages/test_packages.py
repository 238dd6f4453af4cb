"""What is handed out: sdist, wheel, SBOM, and a package for Debian that installs, upgrades, keeps state and purges.

In the short form the package has relay and one small library, and what else relay needs is taken from where the tests
run; in the long form it has everything, as it is handed out.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from relay import __version__
from tests.repo.sources import ROOT
from tests.repo.test_lock import SERVICE, pins

pytestmark = pytest.mark.timeout(600)  # a whole environment is made, from packages that may have to be fetched

PYTHON = Path("/usr/bin/python3")
CURE = "packages for Debian are built by Debian's own python3 and dpkg: apt-get install python3 python3-venv dpkg"


def ran(*command: str | Path, **environment: str) -> str:
    """What a program that has to succeed said."""
    done = subprocess.run(
        [*map(str, command)], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory, long: bool) -> Path:
    """What the package brings."""
    if long:
        return SERVICE
    few = tmp_path_factory.mktemp("lock") / "few.lock"
    entries = SERVICE.read_text().replace("\\\n", "").splitlines()
    few.write_text("".join(f"{entry}\n" for entry in entries if entry.startswith(("defusedxml==", "idna=="))))
    return few


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, lock: Path) -> Path:
    """The folder with all that is handed out."""
    assert PYTHON.exists(), CURE
    folder = tmp_path_factory.mktemp("dist")
    tools = str(Path(sys.executable).parent)
    environment = {"TOOLS": tools, "PYTHON": str(PYTHON), "DEB_COMPRESSION": "none", "REQUIREMENTS": str(lock)}
    ran("packaging/build", folder, **environment)
    return folder


@pytest.fixture(scope="module")
def package(built: Path) -> Path:
    """The package for Debian."""
    [found] = built.glob("*.deb")
    return found


class System:
    """A Debian system in a folder, with nothing in it but what dpkg puts there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
            (root / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()

    def dpkg(self, *words: str | Path) -> str:
        """Do something with a package; its scripts run outside of the folder, and are told of it."""
        force = ("--force-not-root", "--force-script-chrootless", "--force-depends", "--force-unsafe-io")
        return ran("dpkg", f"--root={self.root}", *force, *words)

    def relay(self, *words: str, beside: str = "") -> str:
        """Run the installed relay, with packages from `beside` where its own are few."""
        return ran(self.root / "opt/relay/bin/python3", "-P", "-m", "relay", *words, PYTHONPATH=beside)

    @property
    def state(self) -> list[str]:
        """What belongs to its user: settings and the journal."""
        places = (self.root / "etc/relay", self.root / "var/lib/relay")
        return sorted(file.name for place in places if place.exists() for file in place.iterdir())


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Iterator[System]:
    """A system with relay installed, and used."""
    system = System(tmp_path_factory.mktemp("system"))
    said = system.dpkg("--install", package)
    assert "Next: 'relay init'" in said
    (system.root / "etc/relay/relay.toml").write_text("[node]\n")
    (system.root / "var/lib/relay").mkdir(parents=True)
    (system.root / "var/lib/relay/relay.db").write_text("a queue\n")
    yield system
    shutil.rmtree(system.root)


def test_the_wheel_and_the_sdist_are_the_same_relay(built: Path, tmp_path: Path) -> None:
    """A wheel that is made of the sdist has the same files as the one that was made of the project."""
    [wheel], [sdist] = built.glob("*.whl"), built.glob("*.tar.gz")
    words = ("--no-deps", "--no-build-isolation", "--no-index", "-q", "-w", tmp_path)
    ran(sys.executable, "-m", "pip", "wheel", *words, sdist)
    [again] = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {each.filename: each.CRC for each in one.infolist()} == {
            each.filename: each.CRC for each in other.infolist()
        }
        assert not [name for name in one.namelist() if not name.startswith(("relay/", "att_relay-"))]


def test_the_package_says_what_it_needs(package: Path) -> None:
    """The Python that its compiled parts were made for, and no other."""
    wanted = ran("dpkg-deb", "--field", package, "Package", "Version", "Depends")
    minor = ran(PYTHON, "-c", "import sys; print(sys.version_info.minor)").strip()
    assert f"Version: {__version__}" in wanted
    assert f"python3 (>= 3.{minor}), python3 (<< 3.{int(minor) + 1})" in wanted


def test_nothing_in_the_package_tells_where_it_was_made(system: System) -> None:
    """No path of the machine, neither in programs nor in what pip remembers."""
    here = {str(ROOT), str(system.root.parent)}
    home = system.root / "opt/relay"
    texts = [home / "pyvenv.cfg", home / "bin/relay", *home.glob("lib/*/site-packages/att_relay-*/*")]
    assert [file for file in texts if file.is_file() and any(place in file.read_text() for place in here)] == []
    assert (home / "bin/relay").read_text().startswith("#!/opt/relay/bin/python3\n")
    assert (system.root / "usr/bin/relay").readlink() == Path("/opt/relay/bin/relay")


def test_the_installed_relay_runs(system: System, *, long: bool) -> None:
    """LONG: with its own packages and nothing of this machine's. Its bytecode is there, for it may write none."""
    beside = "" if long else sysconfig.get_paths()["purelib"]
    assert __version__ in system.relay("--version", beside=beside)
    assert "STOP" in system.relay("explain", "opted_out", beside=beside)
    modules = [*system.root.glob("opt/relay/lib/*/site-packages/relay/**/*.py")]
    compiled = [file for file in modules if [*file.parent.glob(f"__pycache__/{file.stem}.*.pyc")]]
    assert len(compiled) == len(modules) > 100


def test_the_units_of_the_package_are_the_projects(system: System) -> None:
    """With what sysusers and tmpfiles need."""
    for unit in ("relay.service", "relay@.service"):
        assert (system.root / "lib/systemd/system" / unit).read_text() == (ROOT / "systemd" / unit).read_text()
    assert (system.root / "usr/lib/sysusers.d/relay.conf").exists()
    assert (system.root / "usr/lib/tmpfiles.d/relay.conf").exists()


def test_the_sbom_names_everything_that_the_package_brings(system: System, lock: Path) -> None:
    """In the versions of the lock."""
    listed = json.loads((system.root / "usr/share/doc/att-relay/sbom.cdx.json").read_text())
    named = {canonicalize_name(one["name"]): one["version"] for one in listed["components"]}
    missing = pins(lock).keys() - named.keys()
    assert named.pop("att-relay") == __version__
    assert missing <= {"colorama"}  # on Windows only
    assert {name: pins(lock)[name] for name in named} == named


def test_an_upgrade_keeps_settings_and_journal(system: System, package: Path, tmp_path: Path) -> None:
    """As a removal does; only a purge deletes them."""
    ran("dpkg-deb", "--raw-extract", package, tmp_path / "next")
    control = tmp_path / "next/DEBIAN/control"
    control.write_text(control.read_text().replace(f"Version: {__version__}", "Version: 99.0"))
    ran("dpkg-deb", "-Znone", "--build", tmp_path / "next", tmp_path / "next.deb")
    kept = ["relay.db", "relay.toml"]
    said = system.dpkg("--install", tmp_path / "next.deb")
    assert (system.state, "Next:" in said) == (kept, False)
    said = system.dpkg("--remove", "att-relay")
    assert (system.state, "journal stays" in said) == (kept, True)
    assert not (system.root / "opt/relay/bin/relay").exists()
    system.dpkg("--purge", "att-relay")
    assert system.state == []
    assert not (system.root / "opt/relay").exists()


def test_the_wheel_installs_from_scratch(built: Path, tmp_path: Path, *, long: bool) -> None:
    """In an environment of its own. LONG: with all that it needs, as an index has it today."""
    ran(PYTHON, "-m", "venv", *([] if long else ["--without-pip"]), tmp_path / "venv")
    [wheel] = built.glob("*.whl")
    python = tmp_path / "venv/bin/python3"
    ran(sys.executable, "-m", "pip", "--python", python, "install", "-q", *([] if long else ["--no-deps"]), wheel)
    assert (tmp_path / "venv/bin/relay").exists()
    if long:
        assert __version__ in ran(tmp_path / "venv/bin/relay", "--version", PYTHONPATH="")
