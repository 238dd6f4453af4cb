"""GET /oauth/v4/authorize: the page on which a subscriber gives an app consent, or refuses it, and the way back.

The address has client_id, scope, redirect_uri and perhaps custom_param; the way back has `code`, or `error` and
`error_description` (AT&T's kits). The page has been seen to go back twice with the same code.
"""

from dataclasses import dataclass
from html import escape

import aiohttp
from aiohttp import web
from yarl import URL

from relay.providerkit.simulated.numbers import e164
from relay.providerkit.simulated.oauth.apps import CONSENTED, Form, OAuthClient, TokenError
from relay.providerkit.simulated.oauthroutes.forms import fields
from relay.providerkit.simulated.world import World

_CUSTOM = {"bypass_onnetwork_auth", "suppress_landing_page"}
_PATIENCE = aiohttp.ClientTimeout(total=5)
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>AT&amp;T (simulated)</title></head>
<body><h1>Let {app} use {number}?</h1><p>{scopes}</p>
<form method="post" action="/oauth/v4/authorize">{hidden}
<button name="decision" value="give">Allow</button> <button name="decision" value="refuse">Deny</button>
</form></body></html>
"""


@dataclass(frozen=True, slots=True)
class _Question:
    """An app's wish that can be answered."""

    app: OAuthClient
    scopes: frozenset[str]
    back: URL
    state: str


@dataclass(frozen=True, slots=True)
class ConsentPage:
    """What the browser of a subscriber meets; the mode `consent` says what the subscriber does there."""

    world: World

    async def open(self, request: web.Request) -> web.Response:
        """GET: a page, or the way back at once."""
        question = self._question(request.query)
        if isinstance(question, web.Response):
            return question
        mode = self.world.oauth.modes(question.app.app_key).consent
        if mode == "page":
            return self._page(question, request.query)
        return await self._decided(question, given=mode != "refuse", twice=mode == "twice")

    async def decide(self, request: web.Request) -> web.Response:
        """POST: a button of the page was pressed."""
        form = await fields(request)
        question = self._question(form)
        if isinstance(question, web.Response):
            return question
        return await self._decided(question, given=form.get("decision") == "give", twice=False)

    def _question(self, asked: Form) -> _Question | web.Response:
        app = self.world.oauth.app(asked.get("client_id", ""))
        if app is None:
            return _wrong("no app has this client_id")
        uris = app.redirect_uris
        address = asked.get("redirect_uri") or (uris[0] if len(uris) == 1 else "")
        back = _address(address)
        if back is None or (uris and address not in uris):
            self._violation(app, "a redirect_uri that is not registered; right is the one of the app's page")
            return _wrong("redirect_uri is not the registered one")
        state = asked.get("state", "") if self.world.oauth.modes(app.app_key).state_comes_back else ""
        if {one for one in asked.get("custom_param", "").split(",") if one} - _CUSTOM:
            self._violation(app, f"a custom_param that is none of {', '.join(sorted(_CUSTOM))}")
        try:
            scopes = self.world.oauth.scopes(app, asked.get("scope", ""))
        except TokenError:
            scopes = frozenset()
        if not scopes or not scopes <= CONSENTED:
            return _redirect(back, error="invalid_scope", error_description="The scope is not valid", state=state)
        return _Question(app, scopes, back, state)

    def _violation(self, app: OAuthClient, what: str) -> None:
        self.world.violations.record(app.service, "authorize", what)

    def _page(self, question: _Question, asked: Form) -> web.Response:
        hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in asked.items())
        text = _PAGE.format(
            app=escape(question.app.app_key),
            number=escape(self._subscriber(question.app) or "nobody's number"),
            scopes=escape(", ".join(sorted(question.scopes))),
            hidden=hidden,
        )
        return web.Response(text=text, content_type="text/html", headers={"Cache-Control": "no-store"})

    def _subscriber(self, app: OAuthClient) -> str | None:
        """Who sits at the page; None where the mode names somebody who is no subscriber of the app's."""
        named = self.world.oauth.modes(app.app_key).consent_as
        number = (e164(named) or named) if named else next(iter(app.subscribers), None)
        return number if number in app.subscribers else None

    async def _decided(self, question: _Question, *, given: bool, twice: bool) -> web.Response:
        subscriber = self._subscriber(question.app)
        facts = {"service": question.app.service, "line": subscriber, "scopes": sorted(question.scopes)}
        if not given or subscriber is None:
            self.world.ledger.record("consent-refused", facts)
            text = "The subscriber refused" if subscriber else "The subscriber is not eligible"
            return _redirect(question.back, error="access_denied", error_description=text, state=question.state)
        code = self.world.oauth.code(question.app, subscriber, question.scopes, str(question.back))
        self.world.ledger.record("consent-given", facts)
        answer = _redirect(question.back, code=code, state=question.state)
        if twice:
            await self._visit(answer.headers["Location"])
        return answer

    async def _visit(self, address: str) -> None:
        """Go back once before the browser does; whatever comes of it."""
        with self.world.held():
            try:
                async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(address) as answer:
                    await answer.read()
            except (TimeoutError, aiohttp.ClientError, OSError):
                return


def _address(text: str) -> URL | None:
    try:
        address = URL(text)
    except ValueError:
        return None
    return address if address.scheme in ("http", "https") and address.host else None


def _redirect(back: URL, **answer: str) -> web.Response:
    told = {name: value for name, value in answer.items() if value}
    return web.Response(status=302, headers={"Location": str(back.update_query(told)), "Cache-Control": "no-store"})


def _wrong(what: str) -> web.Response:
    page = f'<!DOCTYPE html><html lang="en"><title>Error</title><p>{escape(what)}</p></html>'
    return web.Response(status=400, text=page, content_type="text/html")
