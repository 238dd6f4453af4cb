"""Whatever becomes of uncertain copies, in whatever order, over kills: each has one end, told once as final."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from relay.domain.addresses import Address
from relay.domain.messages import OnUncertain
from relay.domain.states import Fact
from relay.journal import Wanted
from tests.contract.journal.desk import ALICE, BOB, CAROL, LINE, ME, PROBLEM, delivered
from tests.contract.journal.machine import on_each_database
from tests.contract.journal.test_any_order import TOLD, AnyOrder

WISHES = (OnUncertain.HOLD, OnUncertain.HOLD, OnUncertain.FAIL, OnUncertain.RESEND)


class UncertainInAnyOrder(AnyOrder):
    """Everything of any day, and calls that nobody answers: evidence, reports, people and time, as they come."""

    @rule(
        to=st.lists(st.sampled_from((ALICE, BOB, CAROL)), min_size=1, max_size=3, unique=True),
        wish=st.sampled_from(WISHES),
        receipts=st.booleans(),
    )
    def doubt(self, to: list[Address], wish: OnUncertain, *, receipts: bool) -> None:
        """A request is accepted, and the next call is written and not answered."""
        key = f"k{len(self.keys)}"
        self.do(self.desk.send(*to, size=3, key=key, on_uncertain=wish, receipts=receipts))
        self.keys.append(key)
        call = self.do(self.desk.journal.calls.claim(LINE, ME))
        if call is not None:
            self.do(self.desk.journal.calls.unanswered(call.call_id, ME, PROBLEM))

    @rule(data=st.data(), sent=st.booleans(), whole=st.booleans())
    def resolve(self, data: st.DataObject, *, sent: bool, whole: bool) -> None:
        """A person has found out what became of a copy, or of a request."""
        if about := self._one_uncertain(data, "request_id" if whole else "copy_id"):
            self.do(self.desk.journal.steering.resolve([about], LINE, sent=sent))

    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        """A person has a copy sent again."""
        if about := self._one_uncertain(data, "copy_id"):
            self.do(self.desk.journal.steering.retry([about], LINE))

    @rule(data=st.data(), to=st.sampled_from((ALICE, BOB, CAROL)), fact=st.sampled_from((*TOLD, Fact.REFUSED)))
    def prove(self, data: st.DataObject, to: Address, fact: Fact) -> None:
        """A report comes about any call that there ever was, late or not, by relay's own id of it."""
        calls = sorted(set(self.desk.place.column("call", "id")))
        if calls:
            self.do(self.desk.report(delivered(data.draw(st.sampled_from(calls)), fact=fact, address=to)))

    @rule()
    def tidy(self) -> None:
        """The janitor sets aside what nobody waits for any more."""
        self.do(self.desk.journal.upkeep.give_up_parked())
        self.do(self.desk.journal.upkeep.tell_untold())

    @invariant()
    def what_is_uncertain_is_listed(self) -> None:
        """Each of them once, and nothing else; so it is counted."""
        listed = [one["copy_id"] for one in self.do(self.desk.journal.dead.list(10_000, kind="uncertain"))]
        queued = [
            one["copy_id"] for one in self.do(self.desk.journal.queries.queue(Wanted(status="uncertain", limit=10_000)))
        ]
        assert sorted(listed) == sorted(queued)
        assert self.do(self.desk.journal.dead.counts())["uncertain"] == len(listed)

    def teardown(self) -> None:
        """A person settles what is left: all of it can be."""
        while left := self.do(self.desk.uncertain()):
            done = self.do(self.desk.journal.steering.resolve(sorted({one["copy_id"] for one in left}), sent=True))
            assert sum(one.copies for one in done) == len(left)
        self.promises_hold()
        super().teardown()

    def _one_uncertain(self, data: st.DataObject, name: str) -> str | None:
        names = sorted({one[name] for one in self.do(self.desk.uncertain())})
        return data.draw(st.sampled_from(names)) if names else None


TestUncertainInAnyOrder, TestUncertainInAnyOrderOnPostgresql = on_each_database(
    UncertainInAnyOrder, steps=30, examples=settings().max_examples // 5
)
