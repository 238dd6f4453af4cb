"""An error, as results and receipts carry it (contract, Errors)."""

from typing import Literal

from relay.domain.errors import ErrorCode
from relay.interface.told import Told, says


class ProviderError(Told):
    """What the provider itself said."""

    http: int | None = says("The status of its answer over HTTP.", 403)
    code: str | None = says("Its own code.", "POL0001")
    text: str | None = says("Its own words.", "A policy error occurred.")


class Error(Told):
    """Why something was not done."""

    code: ErrorCode = says("What programs test. Stable; new codes may be added.", "opted_out")
    category: Literal["invalid", "refused", "temporary", "line", "unknown"] = says(
        "Whose turn it is: `invalid` the request's author, `refused` nobody's, `temporary` time's, `line` the"
        " operator's, `unknown` a person's who can find out.",
        "refused",
    )
    retryable: bool = says("Whether the same may succeed later without anybody changing anything.", flag=False)
    detail: str = says("What is wrong and what would be right, for people. It may change.", "the number has opted out")
    provider: ProviderError | None = says("What the provider said, where it was the provider's word.")
