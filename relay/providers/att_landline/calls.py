"""A call to Landline Texting: with the line's session in it, and once more with a new one where that is refused."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from relay.clock import Clock
from relay.domain.errors import NotAuthorized
from relay.domain.messages import OutboundCall
from relay.providerkit.http import Http, HttpAnswer
from relay.providerkit.intime import check_in_time
from relay.providerkit.operations import Operation
from relay.providers.att_landline import wire
from relay.providers.att_landline.formdata import FilePart, form_data
from relay.providers.att_landline.session import Session

T = TypeVar("T")

Fields = Sequence[tuple[str, str]]


class Calls:
    """Makes calls. Every method raises what `wire.response_of` does, and what `Session.renewed` does.

    What is sent is not made once its expiry has come: TooLate. A session that is refused was refused before anything
    else was looked at: the call had no effect.
    """

    def __init__(self, http: Http, session: Session, clock: Clock) -> None:
        self._http = http
        self._session = session
        self._clock = clock

    async def change(self, operation: Operation, fields: Fields, *, sending: OutboundCall | None = None) -> Any:
        """What a call with an effect answered.

        Args:
            operation: which.
            fields: beside the session.
            sending: what it sends; its text is taken out of what the provider says.
        """
        recipients, text = (len(sending.recipients), sending.text or "") if sending else (1, "")
        return await self._with_session(
            lambda key: self._posted(operation, key, fields),
            lambda answer, key: self._response(answer, (key, text), effect=True, recipients=recipients),
            sending,
        )

    async def read(self, operation: Operation, fields: Fields, reader: Callable[[Any, bytes], T]) -> T:
        """What `reader` makes of the response, and of the body that it came in."""
        return await self._with_session(
            lambda key: self._posted(operation, key, fields),
            lambda answer, key: reader(self._response(answer, (key,), effect=False), answer.body),
        )

    async def fetch(self, operation: Operation, fields: Fields, *, most: int | None = None) -> bytes:
        """A body that is no envelope, as it came; of so many bytes at most, where that is more than others may have."""
        return await self._with_session(
            lambda key: self._posted(operation, key, fields, most),
            lambda answer, key: wire.bare_body(answer, now=self._clock.now(), hidden=(key,)),
        )

    async def upload(
        self, operation: Operation, query: dict[str, str], files: Sequence[FilePart], *, sending: OutboundCall
    ) -> Any:
        """What sending with files answered; its fields are in the query, as documented (MMS Send)."""
        content_type, body = form_data(files) if files else (wire.FORM_TYPE, b"")
        headers = {"Content-Type": content_type, "Accept": "application/json"}
        return await self._with_session(
            lambda key: self._http.call(
                operation.method, operation.path, headers=headers, params={"session": key, **query}, body=body
            ),
            lambda answer, key: self._response(answer, (key, sending.text or ""), effect=True),
            sending,
        )

    async def _with_session(
        self,
        make: Callable[[str], Awaitable[HttpAnswer]],
        read: Callable[[HttpAnswer, str], T],
        sending: OutboundCall | None = None,
    ) -> T:
        async def made(key: str) -> T:
            if sending is not None:
                check_in_time(sending, self._clock.now())
            return read(await make(key), key)

        key = await self._session.key()
        try:
            return await made(key)
        except NotAuthorized as error:
            refused = error
        other = await self._session.renewed(key)
        if other is None:
            raise refused
        return await made(other)

    async def _posted(self, operation: Operation, key: str, fields: Fields, most: int | None = None) -> HttpAnswer:
        headers = {"Content-Type": wire.FORM_TYPE, "Accept": "application/json"}
        body = wire.form([("session", key), *fields])
        return await self._http.call(operation.method, operation.path, headers=headers, body=body, most=most)

    def _response(self, answer: HttpAnswer, hidden: Sequence[str], *, effect: bool, recipients: int = 1) -> Any:
        return wire.response_of(answer, now=self._clock.now(), effect=effect, recipients=recipients, hidden=hidden)
