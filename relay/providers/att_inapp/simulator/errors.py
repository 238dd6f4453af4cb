"""How In-App Messaging says no, beyond what all of AT&T's APIs share."""

from relay.providerkit.simulated import ApiError


def wrong(part: str) -> ApiError:
    """What a request gets wrong in `part` (OpenAPI of In-App Messaging, the 400s)."""
    return ApiError(400, "SVC0002", part)
