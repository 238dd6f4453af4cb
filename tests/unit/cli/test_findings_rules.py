"""What `relay check` says of the rules that each line sends by."""

import asyncio
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from relay.cli.findings.lines import Prober
from relay.cli.findings.rules import look_at_rules
from relay.providers import discover
from relay.settings import BadSettings, Settings, load_settings

PROVIDERS = discover()
MODELS = {name: provider.settings for name, provider in PROVIDERS.items()}
SMS = {"provider": "att-sms", "short_code": "12345", "app_key": "key", "app_secret": "secret"}
LANDLINE = {"provider": "att-landline", "number": "+12065550100", "session": "session"}
HOURS = {"hours": "mon-fri 08:00-21:00"}


def loaded(folder: Path, lines: Mapping[str, Any], scope: str) -> Settings:
    """Settings of these lines."""
    (folder / "relay.toml").write_text("")
    tree = {"bus": {"url": "mqtt://127.0.0.1:1"}, "lines": lines, "optout": {"scope": scope}}
    return load_settings(path=folder / "relay.toml", environment={}, line_models=MODELS, overrides=tree)


async def told(folder: Path, lines: Mapping[str, Any], scope: str = "all") -> list[tuple[str, str]]:
    """What is said: of which part, and what."""
    settings = await asyncio.to_thread(loaded, folder, lines, scope)
    found = await look_at_rules(settings, Prober(settings, PROVIDERS))
    assert all(finding.ok for finding in found)
    return [(finding.part, finding.what) for finding in found]


async def test_a_line_without_rules_says_what_holds_all_the_same(tmp_path: Path) -> None:
    """That it sends at night is what its operator should know."""
    assert await told(tmp_path, {"alerts": SMS, "office": LANDLINE}) == [
        ("settings", "an opt-out holds for all lines"),
        ("alerts", "sends at any hour"),
        ("alerts", "calls: at most 1000000 a month, of which 288 a day are kept for what comes in"),
        ("office", "sends at any hour"),
    ]


async def test_each_rule_is_said_in_words(tmp_path: Path) -> None:
    """As it was set, so that it can be compared."""
    limits = {"calls_per_second": 0.5, "calls_per_day": 2000, "calls_per_month": 30_000, "company": 1.5}
    replies = {"replies": {"stop": "You are unsubscribed.", "help": "Example Shop."}}
    said = await told(tmp_path, {"office": LANDLINE | HOURS | limits | replies}, "line")
    assert said == [
        ("settings", "an opt-out holds for the line that was texted, and no other"),
        (
            "office",
            (
                "sends mon-fri 08:00-21:00 in the recipient's time,"
                " or in that of every zone of the United States where that is not known"
            ),
        ),
        ("office", "calls: at most 0.5 a second, 2000 a day, 30000 a month"),
        ("office", "a text waits up to 1.5 s for others with the same words"),
        ("office", "answers STOP, HELP"),
    ]


async def test_hours_say_whose_time_is_taken_and_what_may_pass_them(tmp_path: Path) -> None:
    """The two things about hours that are not hours."""
    own = LANDLINE | HOURS | {"zone": "America/Denver", "urgent_any_time": True}
    [_, (_, hours)] = await told(tmp_path, {"office": own})
    assert hours.endswith("or in America/Denver's where that is not known; urgent texts at any time")


async def test_lines_say_with_which_others_they_share_opt_outs(tmp_path: Path) -> None:
    """A line without a group is alone."""
    lines = {
        "a": LANDLINE | {"group": "shop"},
        "b": LANDLINE | {"group": "shop"},
        "c": LANDLINE | {"group": "news"},
        "d": LANDLINE,
        "e": LANDLINE,
    }
    shared = [words for _, words in await told(tmp_path, lines, "group") if words.startswith("shares")]
    ending = ["b", "a", *["no other line"] * 3]
    assert shared == [f"shares opt-outs with {others}" for others in ending]


async def test_a_reply_that_cannot_be_sent_is_a_bad_setting(tmp_path: Path) -> None:
    """The line itself says why."""
    with pytest.raises(BadSettings, match=r"replies\.stop: cannot be sent: .* at most 4096"):
        await told(tmp_path, {"alerts": SMS | {"replies": {"stop": "x" * 5000}}})


def test_such_a_setting_ends_the_check_as_any_bad_setting_does(tmp_path: Path) -> None:
    """Exit code 78, the key and the cure; relay would not start with it."""
    (tmp_path / "secret").write_text("secret\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "relay.toml").write_text(
        '[bus]\nurl = "mqtt://127.0.0.1:1"\n[lines.alerts]\nprovider = "att-sms"\nshort_code = "12345"\n'
        'app_key = "key"\napp_secret_file = "secret"\n[lines.alerts.replies]\nstop = "' + "x" * 5000 + '"\n'
    )
    words = (sys.executable, "-m", "relay", "check", "--offline", "--config", str(tmp_path / "relay.toml"))
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.returncode == 78
    first, why, cure = said.stdout.splitlines()
    assert first.startswith("!!  settings  settings: lines.alerts.replies.stop: cannot be sent: ")
    assert "xx" not in said.stdout + said.stderr
    assert (why.strip(), cure.strip()) == (
        "relay does not start with these settings",
        "write one that the line can send",
    )
