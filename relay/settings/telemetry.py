"""Where traces go."""

from importlib.util import find_spec
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from relay.settings.section import Section, unfit


def collector_url(value: str) -> str:
    """A collector's base URL. It is not repeated in an error.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(value)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        named = False
    if not named or parts.scheme not in {"http", "https"}:
        raise ValueError('must be the base URL of an OTLP collector, such as "http://127.0.0.1:4318"')
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must have no user, password, query or fragment: headers go in OTEL_EXPORTER_OTLP_HEADERS")
    return value


class Telemetry(Section):
    """What relay tells an OpenTelemetry collector. The SDK's own OTEL_* variables hold beside it."""

    traces: Annotated[str, AfterValidator(collector_url)] | None = Field(
        None, description="the collector that spans go to, by OTLP over HTTP; needs the extra `otel`"
    )

    @model_validator(mode="after")
    def _is_installed(self) -> Self:
        if self.traces and not _is_there("opentelemetry.exporter.otlp.proto.http"):
            raise unfit("traces", "needs OpenTelemetry, which is not installed", "install att-relay[otel]")
        return self


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
