"""The questions of `relay init`, in their order -> a draft whose answers have been tried."""

import inspect
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from relay.bus.config import BusSettings
from relay.cli.findings import Finding, hint
from relay.cli.findings.patience import USUAL
from relay.cli.setup.draft import Draft
from relay.cli.setup.talk import Question, Talk, say
from relay.cli.setup.tries import try_address, try_line, try_login, try_public_url, try_topics, wants_of
from relay.providerkit.linesettings import LineSettings
from relay.providerkit.spec import Provider
from relay.settings import BadSettings
from relay.settings.keys import Keys, Kind, look

NOBODY = "none"
URL, USER, PASSWORD, CA = (("bus", key) for key in ("url", "username", "password", "ca_file"))
PUBLIC_URL = ("webhooks", "public_url")
# What a line may have and is worth asking for, where its provider has it.
_WORTH_ASKING = ("registration_id", "session", "receive")
HELP = {
    "number": "the line's own phone number, such as +12065550100",
    "short_code": "the short code, 3 to 8 digits",
    "registration_id": "the registration id, as on the account's page",
    "session": "the session key that AT&T sends by e-mail",
    "receive": "how texts come in: poll asks for them, callback is a web hook, off is neither",
}
_OWN_FLAGS = ("number", "short_code", "registration_id", "app_key", "receive")


@dataclass
class Interview:
    """Asks for everything that relay needs.

    Args:
        talk: with whom.
        draft: takes the answers.
        more: further settings of lines, as `--set` gives them.
        base_url: where lines are called, in place of their providers'.
        consents: the lines whose subscribers have to agree, once they are known.
        taken: the names of lines that are there already.
    """

    talk: Talk
    draft: Draft
    more: Sequence[tuple[str, str]] = ()
    base_url: str | None = None
    taken: Container[str] = ()
    consents: Sequence[str] = ()
    _is_reached: bool = False
    _count: int = 0

    def hold(self) -> None:
        """From the broker to the last line.

        Raises:
            typer.Exit: an answer is missing (2) or fails (1), and there is nobody to ask.
            typer.Abort: the person has enough.
        """
        self._broker()
        self.line()
        while self.talk.confirm("Another line?", default=False):
            self.line()
        self._as_a_whole()

    def _head(self, words: str) -> None:
        """What follows, for a person."""
        if self.talk.asks:
            say(words)

    def _broker(self) -> None:
        self._head("The MQTT broker")
        self.talk.until_good(self._ask_address, self._try_address)
        self.talk.until_good(self._ask_login, self._try_login)

    def _ask_address(self) -> None:
        words = "  its address, mqtt://host or mqtts://host (TLS)"
        default = "mqtt://127.0.0.1:1883" if self.talk.asks else None
        url = self._settle(Question(keys=URL, words=words, flag="--broker", default=default))
        self.draft.put(CA, "")
        if url.startswith("mqtts:"):
            words = "  a file with the authority to trust, where it is your own"
            self._settle(Question(keys=CA, words=words, flag="--broker-ca", default=""))

    def _try_address(self) -> list[Finding]:
        found = try_address(self._bus())
        self._is_reached = all(finding.ok for finding in found)
        return found

    def _ask_login(self) -> None:
        words = f"  relay's user there; {NOBODY}: it asks for none"
        user = self._settle(Question(keys=USER, words=words, flag="--broker-user", default="relay"))
        self.draft.put(PASSWORD, "")
        if user == NOBODY:
            self.draft.put(USER, "")
            return
        words = f"  {user}'s password there"
        self._settle(Question(keys=PASSWORD, words=words, flag="--broker-password-file", secret=True))

    def _try_login(self) -> list[Finding]:
        if not self._is_reached:
            return []
        return try_login(self._bus())

    def _bus(self) -> BusSettings:
        ca_file, username, password = self._said(CA), self._said(USER), self.draft.secrets.get(PASSWORD)
        return BusSettings(
            url=self._said(URL) or "",
            node="init",
            username=username,
            password=password,
            ca_file=Path(ca_file) if ca_file else None,
            timeout=USUAL.broker,
        )

    def line(self) -> None:
        """One line: its kind, its name, its account, and where it is called back."""
        self._head("A line")
        self._count += 1
        provider, alias = self._kind(), ""

        def ask() -> None:
            nonlocal alias
            if alias:
                self.draft.drop_line(alias)
            alias = self._alias(provider)
            self._account(provider, alias)

        self.talk.until_good(ask, lambda: try_line(self.draft.settings(), self.draft.providers, alias))

    def _kind(self) -> Provider:
        providers = self.draft.providers
        for name, provider in sorted(providers.items()):
            self._head(f"  {name:<14}{_about(provider)}")
        question = Question(keys=(f"line {self._count}", "kind"), words="  its kind", flag="--kind")
        known = f"must be one of: {', '.join(sorted(providers))}"
        return providers[self.talk.settle(question, lambda answer: None if answer in providers else known)]

    def _alias(self, provider: Provider) -> str:
        usual = provider.name.rpartition("-")[2]
        question = Question(
            keys=(f"line {self._count}", "alias"), words="  its name in topics", flag="--alias", default=usual
        )

        def problem(alias: str) -> str | None:
            if alias in self.taken or alias in self.draft.tree.get("lines", {}):
                return "is the name of another line: give each its own"
            self.draft.put(("lines", alias, "provider"), provider.name)
            found = self.draft.problem(("lines", alias))
            if found:
                self.draft.drop_line(alias)
            return found

        return self.talk.settle(question, problem)

    def _account(self, provider: Provider, alias: str) -> None:
        """What the provider's own settings ask for, and where it is to call."""
        if self.base_url:
            self.draft.put(("lines", alias, "base_url"), self.base_url)
        for key, value in self.more:
            self._set(provider, alias, key, value)
        for key, field in asked_of(provider.settings, dict(self.more)).items():
            if ("lines", alias, key) not in self.draft.answered():
                self._settle(_question(alias, key, field, self.draft))
        self._refuse_unfit(alias)
        wants = wants_of(self.draft.settings(), self.draft.providers, alias)
        self.consents = [*(other for other in self.consents if other != alias), *([alias] if wants.consent else [])]
        if wants.calls and not self._said(PUBLIC_URL):
            self.talk.until_good(self._ask_public_url, self._try_public_url)

    def _set(self, provider: Provider, alias: str, key: str, value: str) -> None:
        """Take a setting from the command line, which everybody can read while it runs."""
        keys = ("lines", alias, key)
        if look(keys, {alias: provider.settings}).kind in {Kind.SECRET, Kind.SECRET_FILE}:
            name = key.removesuffix("_file").replace("_", "-")
            raise typer.BadParameter(f"{key} is a secret: use --{name}-file", param_hint="--set")
        self.draft.put(keys, value)
        found = self.draft.problem(keys)
        if found:
            raise typer.BadParameter(f"{key}: {found}", param_hint="--set")

    def _refuse_unfit(self, alias: str) -> None:
        """What only shows when everything is there; `--set` may have brought it."""
        try:
            self.draft.settings()
        except BadSettings as bad:
            for problem in bad.problems:
                said = f"{problem.key.removeprefix(f'lines.{alias}.')} {problem.what}; {problem.cure}"
                say(f"  !!  {said.removesuffix('; ')}")
            raise typer.Exit(2) from None

    def _ask_public_url(self) -> None:
        words = f"  how AT&T reaches relay's web hooks, such as https://sms.example.com; {NOBODY}: not yet"
        if self._settle(Question(keys=PUBLIC_URL, words=words, flag="--public-url")) == NOBODY:
            self.draft.put(PUBLIC_URL, "")

    def _try_public_url(self) -> list[Finding]:
        if self._said(PUBLIC_URL):
            return try_public_url(self.draft.settings())
        cure = "set webhooks.public_url once there is an https address that leads to webhooks.listen"
        return [hint("webhooks", "relay cannot be called back", cure)]

    def _as_a_whole(self) -> None:
        """The broker once more, now that the lines are known: its rights hang on them."""
        settings = self.draft.settings()
        if self._is_reached:
            self._head("What relay may do at the broker")
        found = try_topics(settings) if self._is_reached else []
        for finding in found:
            self.talk.tell(finding)
        if not all(finding.ok for finding in found):
            cure = "give it the files for it that are written at the end; then run: relay check"
            self.talk.tell(hint("broker", "the broker is not as relay needs it yet", cure))
        self.talk.found += found

    def _settle(self, question: Question) -> str:
        """Ask until the settings take it, and put it there."""

        def problem(answer: str) -> str | None:
            free = answer == NOBODY and question.keys in (USER, PUBLIC_URL)
            self.draft.put(question.keys, "" if free else answer)
            if not answer and question.default is None:
                return "must be given"
            if question.keys == USER and ":" in answer:
                return "must have no colon: a name ends there in mosquitto's file of passwords"
            return self.draft.problem(question.keys)

        return self.talk.settle(question, problem)

    def _said(self, keys: Keys) -> str | None:
        table = self.draft.tree.get(keys[0], {})
        value = table.get(keys[1])
        first: str | None = value[0] if isinstance(value, tuple) else value
        return first


def asked_of(model: type[LineSettings], given: Container[str] = ()) -> dict[str, FieldInfo]:
    """The settings of a line that it is asked for: those that it must have, and a few more.

    Args:
        model: its provider's settings.
        given: what is known already. Who gives a user name has a password, and no session.
    """
    fields = model.model_fields
    worth = [*_WORTH_ASKING, *(["password"] if "username" in given else [])]
    wanted = [key for key, field in fields.items() if field.is_required() or key in worth]
    return {key: fields[key] for key in wanted if not (key == "session" and "password" in worth)}


def _question(alias: str, key: str, field: FieldInfo, draft: Draft) -> Question:
    keys = ("lines", alias, key)
    provider = draft.providers[draft.tree["lines"][alias]["provider"]]
    is_secret = look(keys, {alias: provider.settings}).kind is Kind.SECRET
    words = f"  {HELP.get(key) or field.description or key}"
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    if choices and key not in HELP:
        words += f" ({', '.join(map(str, choices))})"
    dashed = key.replace("_", "-")
    flag = f"--{dashed}" if key in _OWN_FLAGS else f"--{dashed}-file" if is_secret else f"--set {key}="
    has_default = not field.is_required() and field.default is not None
    if key == "registration_id":
        words += " (Enter: the short code)"
    return Question(
        keys=keys, words=words, flag=flag, default=str(field.default) if has_default else None, secret=is_secret
    )


def _about(provider: Provider) -> str:
    """What a provider is, in its own words."""
    folder = ".".join(provider.settings.__module__.split(".")[:3])
    words = inspect.getdoc(sys.modules[folder]) or inspect.getdoc(provider.settings) or ""
    return words.partition("\n")[0]
