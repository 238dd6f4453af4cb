"""AT&T's OAuth 2.0 over HTTP: the token endpoint, revocation, and the page on which a subscriber agrees."""

from relay.providerkit.simulated.oauthroutes.description import paths
from relay.providerkit.simulated.oauthroutes.routes import OAuthRoutes

__all__ = ["OAuthRoutes", "paths"]
