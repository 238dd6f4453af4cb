"""AT&T's OAuth 2.0, once for all services of api.att.com: apps, consent, tokens, and what a token is good for."""

from relay.providerkit.simulated.oauth.apps import Grant, OAuthClient, OAuthModes, OAuthRefusal
from relay.providerkit.simulated.oauth.server import OAuthServer

__all__ = ["Grant", "OAuthClient", "OAuthModes", "OAuthRefusal", "OAuthServer"]
