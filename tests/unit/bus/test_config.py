"""The bus's settings: which broker a URL names, and under which names relay is known there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bus.config import Broker, BusSettings, parse_url


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://broker", Broker("broker", 1883, tls=False)),
        ("mqtts://broker.example", Broker("broker.example", 8883, tls=True)),
        ("mqtts://broker:443/", Broker("broker", 443, tls=True)),
        ("mqtt://[::1]:1884", Broker("::1", 1884, tls=False)),
    ],
)
def test_a_url_names_a_broker(url: str, broker: Broker) -> None:
    """Host, port and TLS are read from it; the port has MQTT's defaults."""
    assert parse_url(url) == broker


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker",
        "http://broker",
        "mqtt://",
        "mqtt://h:0x",
        "mqtt://h:99999",
        "mqtt://h/path",
        "mqtt://h?x",
        "mqtt://[",
    ],
)
def test_a_malformed_url_says_what_is_expected(url: str) -> None:
    """The message names the setting and the form."""
    with pytest.raises(ValueError, match=r"bus\.url: expected mqtt://"):
        parse_url(url)


def test_a_password_in_the_url_is_refused_without_being_shown() -> None:
    """Secrets have settings of their own, because URLs are logged."""
    with pytest.raises(ValueError, match=r"bus\.password_file") as error:
        parse_url("mqtt://user:marked@broker")
    assert "marked" not in str(error.value)


@given(st.text())
def test_any_text_is_a_broker_or_a_value_error(text: str) -> None:
    """Nothing else is raised, whatever somebody writes there."""
    try:
        found = parse_url(text)
    except ValueError:
        return
    assert found.host


def test_client_ids_are_fixed_and_differ() -> None:
    """All nodes share the id that hears commands; each has its own to speak with."""
    one, two = (BusSettings(url="mqtt://b", node=node, base="site/sms") for node in ("n1", "commands"))
    assert one.commands_client_id == two.commands_client_id == "site-sms-commands"
    assert len({one.node_client_id, two.node_client_id, one.commands_client_id}) == 3
    assert BusSettings(url="mqtt://b", node="n1", commands_id="mine").commands_client_id == "mine"


def test_the_password_is_not_in_a_repr() -> None:
    """Settings can be logged."""
    assert "marked" not in repr(BusSettings(url="mqtt://b", node="n1", username="u", password="marked"))
