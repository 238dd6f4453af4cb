"""relay -> In-App Messaging -> relay: one call with the subscriber's token, and what its answer means."""

from collections.abc import Iterable, Mapping

from relay.clock import Clock
from relay.domain.errors import ErrorCode, Gone, OutcomeUnknown, Problem, TryLater
from relay.domain.messages import OutboundCall
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.intime import check_in_time
from relay.providerkit.oauthconsent import ConsentedTokens
from relay.providerkit.operations import Operation
from relay.providers.att_inapp.refusals import Asked, refuse

JSON = "application/json"
_SUCCESS = range(200, 300)
_LARGEST_ACCEPTANCE = 1 << 20  # bytes of the answer to a send, which is an id
_OF_NO_ID = frozenset({"", ".", ".."})  # parts of a path that mean something of their own


class Calls:
    """Makes a line's calls.

    Args:
        http: to AT&T.
        tokens: the subscriber's.
        clock: for waits that AT&T names by a date.
    """

    def __init__(self, http: Http, tokens: ConsentedTokens, clock: Clock) -> None:
        self._http = http
        self._tokens = tokens
        self._clock = clock

    async def make(  # noqa: PLR0913 - a call has this many parts
        self,
        operation: Operation,
        asked: Asked,
        *,
        fill: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        divisible: bool = False,
        sending: OutboundCall | None = None,
        hidden: Iterable[str] = (),
    ) -> HttpAnswer:
        """The answer, which is 2xx. `sending`: what is sent, which is not made once its expiry has come.

        Raises:
            ConsentRequired: the subscriber has to agree (again); AT&T may not even have been asked.
            OutcomeUnknown: a send was written, and no usable answer came.
            TryLater: nothing usable came to anything else, which can be asked again without harm.
            RelayError: as `refuse` says.
        """
        if not _OF_NO_ID.isdisjoint((fill or {}).values()):
            raise Gone(Problem(ErrorCode.UNKNOWN_ID, "this is no id of a message: it would lead to another address"))
        headers = {"Accept": accept, **({} if body is None else {"Content-Type": content_type})}

        async def call(authorization: Mapping[str, str]) -> HttpAnswer:
            if sending is not None:
                check_in_time(sending, self._clock.now())
            return await self._http.call(
                operation.method,
                operation.path,
                fill=fill,
                params=params,
                headers={**headers, **authorization},
                body=body,
                most=_LARGEST_ACCEPTANCE if asked is Asked.SEND else None,
                hidden=hidden,
            )

        try:
            answer = await self._tokens.authorized(call)
        except OutcomeUnknown as error:
            if asked is Asked.SEND:
                raise
            raise TryLater(Problem(ErrorCode.PROVIDER_ERROR, error.problem.detail, error.problem.provider)) from None
        self.check(answer, asked, divisible=divisible)
        return answer

    def check(self, answer: HttpAnswer, asked: Asked, *, divisible: bool = False) -> None:
        """Return where the answer is a success; raise as `refuse` does otherwise."""
        if answer.status not in _SUCCESS:
            refuse(answer, asked, now=self._clock.now(), divisible=divisible)
