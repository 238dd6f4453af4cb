"""POST /oauth/v4/token and /oauth/v4/revoke: an OAuth server's forms over HTTP, once for all services."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from relay.providerkit.simulated.envelope import envelope
from relay.providerkit.simulated.oauth.apps import RFC, Form, OAuthModes, TokenError
from relay.providerkit.simulated.oauthroutes.consent import ConsentPage
from relay.providerkit.simulated.oauthroutes.forms import fields
from relay.providerkit.simulated.operations import Operations
from relay.providerkit.simulated.world import World

Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class OAuthRoutes:
    """The three addresses of AT&T's OAuth."""

    world: World

    def routes(self) -> list[web.RouteDef]:
        """For the simulator's application."""
        page = ConsentPage(self.world)
        return [
            web.post("/oauth/v4/token", self._faulty("token", self._token)),
            web.post("/oauth/v4/revoke", self._faulty("revoke", self._revoke)),
            web.get("/oauth/v4/authorize", self._faulty("authorize", page.open), allow_head=False),
            web.post("/oauth/v4/authorize", self._faulty("authorize", page.decide)),
        ]

    def _faulty(self, operation: str, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """`handler`, with the faults in front of it that are for the service whose app asks."""

        async def answer(request: web.Request) -> web.StreamResponse:
            asked = await fields(request)
            app = self.world.oauth.app(asked.get("client_id", ""))

            async def line_of(_request: web.Request) -> str | None:
                return self.world.oauth.line(asked)

            return await Operations(self.world, app.service if app else "oauth", line_of)(operation, handler)(request)

        return answer

    async def _token(self, request: web.Request) -> web.Response:
        form = await fields(request)
        try:
            self._check(request, form, "token")
            return web.json_response(self.world.oauth.token(form), headers={"Cache-Control": "no-store"})
        except TokenError as error:
            return self._refusal(form, "token", str(error))

    async def _revoke(self, request: web.Request) -> web.Response:
        form = await fields(request)
        try:
            self._check(request, form, "revoke")
            self.world.oauth.revoke_token(form)
            return web.Response()
        except TokenError as error:
            return self._refusal(form, "revoke", str(error))

    def _check(self, request: web.Request, form: Form, operation: str) -> None:
        if request.query_string:
            what = "something in the address; right is all of it in the form"
            self.world.violations.record(self._service(form), operation, what)
        if not form:
            raise TokenError("invalid_request")

    def _service(self, form: Form) -> str:
        app = self.world.oauth.app(form.get("client_id", ""))
        return app.service if app else "oauth"

    def _refusal(self, form: Form, operation: str, error: str) -> web.Response:
        modes = self.world.oauth.modes(form.get("client_id", ""))
        facts = {"service": self._service(form), "line": self.world.oauth.line(form), "operation": operation}
        self.world.ledger.record("refused", {**facts, "status": RFC[error], "code": error})
        return refusal(error, modes)


def refusal(error: str, modes: OAuthModes) -> web.Response:
    """The token endpoint's answer to what it refuses: RFC 6749's, or AT&T's envelope (mode `oauth_errors`)."""
    if modes.oauth_errors == "envelope":
        return web.json_response(envelope("POL0001", error, modes.errors), status=RFC[error])
    return web.json_response({"error": error, "error_description": "see the documentation"}, status=RFC[error])
