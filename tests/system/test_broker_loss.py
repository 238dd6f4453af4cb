"""Stop the broker and bring it back without its state: nothing is lost, and the status topics are right again."""

import signal

import aiohttp

from tests.system.world import World


async def test_a_broker_that_comes_back_without_its_state_costs_nothing(running: World, long: bool):
    """What happened meanwhile is published afterwards; retained topics are there again."""
    await running.publish("relay/line/alerts/send", {"id": "before", "to": "+12065550018", "text": "before"})
    result = await running.ears.result("before")
    await running.broker.kill()
    for number in range(5):
        running.text_in("+12065550177", "12345" if number % 2 else "+12065550100", f"meanwhile {number}")
    running.ears.connected.clear()
    await running.relay.lives_for(30.0 if long else 6.0)
    assert await readiness(running) == (503, "away", "the broker is not connected")
    running.ears.heard.clear()
    # A broker without its state keeps nothing for a subscriber that is not there yet: relay is the second to come.
    running.relay.process.send_signal(signal.SIGSTOP)
    await running.broker.start(forget=True)
    await running.ears.connected.wait()
    running.relay.process.send_signal(signal.SIGCONT)

    final = await running.ears.final(result["message_id"], 1)
    await running.ears.until(lambda: len(running.ears.events("message")) >= 5, what="5 messages")
    await running.listening()
    retained = {topic: body for topic, body in running.ears.heard if topic.endswith("/status")}

    assert final[0]["status"] == "delivered"
    assert sorted(event["data"]["text"] for event in running.ears.events("message")) == [
        f"meanwhile {number}" for number in range(5)
    ]
    assert retained["relay/node/relay-1/status"]["state"] == "online"
    assert retained["relay/line/alerts/status"]["state"] == "ready"
    assert running.relay.logged("bus.session_lost")
    await running.publish("relay/line/alerts/send", {"id": "after", "to": "+12065550001", "text": "after"})
    assert (await running.ears.result("after"))["outcome"] == "accepted"
    assert await readiness(running) == (200, "connected", None)


async def readiness(running: World) -> tuple[int, str, str | None]:
    """What `/readyz` answers whoever watches: the status, how the bus stands, and what is not in order."""
    [admin] = [line for line in running.relay.logged("listener.started") if line["setting"] == "admin.listen"]
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{admin['port']}/readyz") as answer:
        body = await answer.json()
        return answer.status, body["bus"], body["reason"]
