"""Who else has a say in what is sent: recipients, operators, the janitor, and the end of relay itself."""

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any

from relay.domain.addresses import inbound, outbound
from relay.domain.keywords import Keyword, keyword
from relay.domain.messages import (
    DeliveryReport,
    InboundMessage,
    MessageClass,
    OnUncertain,
    Priority,
    RawAnswer,
    Reply,
    SendRequest,
)
from relay.domain.states import Fact
from relay.journal.queuelist import Wanted
from relay.journal.transaction import WAITING_COPIES, waiting_here
from tests.contract.journal.desk import Desk
from tests.contract.journal.ledger import LINES, OWN, SAID
from tests.contract.journal.rules_desk import CLIENTS, ROOM, RulesDesk
from tests.contract.journal.rules_model import Text, Wish

HELD = 9999  # the year in which copies are due that are held


class RulesOffice(RulesDesk):
    """All that may happen to what waits, besides that it is sent."""

    def report(self, text: Text) -> None:
        """A copy has arrived."""
        reports = [DeliveryReport(f"ref-{text.id}-{text.tries}", Fact.DELIVERED)]
        kept = self.do(self._keep(text.line))
        self.do(self.desk.journal.raw.understood(kept, reports=reports))
        self.hear({text.id: "delivered"})

    def write(self, word: str, who: str, line: str, ago: int) -> None:
        """Somebody writes a keyword, `ago` minutes before it is heard of."""
        at = self.now - timedelta(minutes=ago)
        asked: Keyword = keyword(word) or "help"
        message = InboundMessage(inbound(who), OWN[line], word, provider_time=at)
        kept = self.do(self._keep(line))
        self.do(self.desk.journal.raw.understood(kept, messages=[message]))
        [message_id] = [event.body["message_id"] for event in self.hear() if event.kind == "message"]
        if asked == "stop":
            self.model.ledger.stop(who, line, at, "keyword")
        elif asked == "start":
            self.model.ledger.start(who, line, at)
        if self.model.wishes[line].replies:
            self._take_reply(line, who, f"keyword-{message_id}", asked)

    def _keep(self, line: str) -> Awaitable[Any]:
        return self.desk.journal.raw.keep(line, "hook", "", "", RawAnswer(b"bytes", "application/json"))

    def _take_reply(self, line: str, who: str, key: str, asked: Keyword) -> None:
        """The operator's answer is a text like others, where there is one."""
        listed = self.do(self.desk.journal.queries.queue(Wanted(line=line, limit=1_000)))
        for one in (one for one in listed if one["request_id"] == key):
            request = SendRequest(
                line=line,
                client=None,
                key=key,
                digest=key,
                to=(outbound(who),),
                text=SAID[asked],
                expires_at=self.now + timedelta(hours=1),
                priority=Priority.HIGH,
                on_uncertain=OnUncertain.FAIL,
                message_class=MessageClass.COMPLIANCE if asked == "stop" else MessageClass.URGENT,
            )
            copy = (one["copy_id"], who)
            self._take(request, one["message_id"], copy, one["due_at"], given=False, company=False)

    def cancel(self, text: Text, *, by_client: bool) -> None:
        """A request is canceled: what waits of it, and nothing else."""
        stopped = [one.id for one in self.model.standing("waiting") if one.message_id == text.message_id]
        if by_client and not text.key.startswith("keyword"):
            answer = self.do(self.desk.journal.commands.cancel(text.line, text.client, text.key, None, Reply()))
            assert answer.outcome == "canceled" or not stopped
        else:
            [steered] = self.do(self.desk.journal.steering.cancel([text.message_id]))
            assert steered.copies == len(stopped)
        self.hear(dict.fromkeys(stopped, "canceled"))

    def cancel_line(self, line: str) -> None:
        """An operator cancels all that waits on a line."""
        stopped = [text.id for text in self.model.standing("waiting", line=line)]
        self.do(self.desk.journal.steering.cancel_line(line))
        self.hear(dict.fromkeys(stopped, "canceled"))

    def steer(self, verb: str, text: Text, *, whole: bool) -> None:
        """An operator has a copy, or its whole request, held, released or tried again; a group only as a whole."""
        whole = whole or text.group
        chosen = [one for one in self.model.texts.values() if one.message_id == text.message_id] if whole else [text]
        about = text.message_id if whole else text.id
        [steered] = self.do(getattr(self.desk.journal.steering, verb)([about]))
        self.hear()
        waiting = [one for one in chosen if one.stands == "waiting"]
        if verb == "retry":
            self._try_again(chosen)
            return
        steering = [one for one in waiting if one.held is (verb == "release")]
        assert steered.copies == len(steering)
        for one in steering:
            one.held = verb == "hold"
            if one.held:
                self.model.free(one, self.now)

    def _try_again(self, chosen: Sequence[Text]) -> None:
        for text in chosen:
            if text.stands == "uncertain":
                self.model.wait_again(text, self.now, self.now)
            elif text.stands == "waiting" and text.tries and not text.held:
                text.not_before = min(text.not_before, self.now)

    def steer_line(self, line: str, *, hold: bool) -> None:
        """An operator holds a line, or releases it."""
        steering = self.desk.journal.steering
        self.do(steering.hold_line(line) if hold else steering.release_line(line))
        (self.model.held_lines.add if hold else self.model.held_lines.discard)(line)

    def give_up(self, text: Text) -> None:
        """A person gives an uncertain copy up."""
        asides = {one["copy_id"]: one["id"] for one in self.do(self.desk.journal.dead.list(1_000))}
        assert {one.id for one in self.model.standing("uncertain")} == {*asides}
        self.do(self.desk.journal.dead.discard(asides[text.id]))
        self.hear({text.id: "failed"})

    def opt(self, who: str, line: str | None, *, out: bool) -> None:
        """An operator opts somebody out or in."""
        optouts = self.desk.journal.optouts
        self.do(optouts.add([who], line) if out else optouts.remove([who], line))
        if out:
            self.model.ledger.stop(who, line, self.now, "operator")
        else:
            self.model.ledger.lift(who, line)

    def slow(self, line: str, seconds: float) -> None:
        """The provider asks for a pause."""
        self.do(self.desk.journal.limits.slow(line, seconds))
        self.model.rest(line, self.now + timedelta(seconds=seconds))

    def next_due(self, line: str) -> datetime | None:
        """When something may be due."""
        due_at = self.do(self.desk.journal.calls.next_due(line))
        return None if due_at is None or due_at.year == HELD else due_at

    def expire(self) -> None:
        """The janitor ends what has expired."""
        while self.do(self.desk.journal.upkeep.expire()):
            pass
        self.hear()
        assert all(one.expires_at is None or one.expires_at > self.now for one in self.model.standing("waiting"))

    def end_following(self) -> None:
        """Days have passed, and the janitor ends what is followed."""
        while self.do(self.desk.journal.upkeep.end_following()):
            pass
        self.hear({one.id: "unknown" for one in self.model.standing("followed")})

    def purge(self) -> None:
        """Everything is published, and the janitor forgets what has ended."""
        self.do(self.desk.journal.events.published(self.told))
        self.told = []
        while self.do(self.desk.journal.upkeep.purge()):
            pass

    def restart(self, *, kill: bool) -> None:
        """Relay ends, one way or the other, and starts again."""
        place = self.desk.place.after_kill() if kill else self.desk.place
        self.do(self.desk.journal.aclose())
        self.clock.pass_(milliseconds=2)
        self.desk = self.do(Desk.at(place, self.clock, **ROOM))
        self.settle(self.model.wishes, self.model.scope)
        self.do(self.desk.journal.calls.recover())
        self._unanswered(self.model.standing("flying"), evidence=None)

    def count(self) -> None:
        """What waits is counted: in all, by line and by client."""
        counters, model = self.desk.journal._core.writer.counters, self.model
        expected = {WAITING_COPIES: model.waiting()}
        expected |= {waiting_here(line): model.waiting(line) for line in LINES}
        expected |= {waiting_here(line, by or ""): model.waiting(line, by) for line in LINES for by in CLIENTS}
        assert {name: counters[name] for name in expected} == expected

    def lift(self) -> None:
        """Nothing is under way, nothing is held, and the lines have no rules."""
        while self.model.standing("flying"):
            texts = self.flying(0)
            self.answer(texts, {text.id: Fact.SUBMITTED for text in texts})
        self.settle({line: Wish() for line in LINES}, self.model.scope)
        for line in LINES:
            self.steer_line(line, hold=False)
        while held := [text for text in self.model.standing("waiting") if text.held]:
            self.steer("release", held[0], whole=True)

    def end(self) -> None:
        """As time goes on everything is sent, and ends."""
        for _ in range(4 * len(self.model.texts) + 10):
            dues = []
            for line in LINES:
                while texts := self.claim(line):
                    self.answer(texts, {text.id: Fact.SUBMITTED for text in texts})
                due_at = self.next_due(line)
                assert (due_at is None) == (not self.model.standing("waiting", line=line))
                dues += [due_at] if due_at else []
            if not dues:
                break
            self.clock.time = max(self.now, min(dues))
        assert not self.model.standing("waiting", "flying")
        for text in self.model.standing("uncertain"):
            self.give_up(text)
        self.clock.pass_(days=10)
        self.end_following()
        assert all(self.finals[text] == 1 for text in self.model.texts), "each copy ends once"
        self.count()
