"""`list`, `get`, `update` and `delete` over a real broker, for a line whose messages AT&T keeps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.system.inhouse import FRIEND, at_home, followed, part
from tests.system.world import World


async def told(made: World, verb: str, client: str, **asked: Any) -> dict[str, Any]:
    """The answer to a command of a client, which is found by its `ref`, on the client's own topic."""
    ref = f"{verb}-{client}-{len(made.ears.heard)}"
    await made.publish(f"relay/line/desk/{verb}/{client}", {"ref": ref, **asked})
    topic = f"relay/line/desk/result/{client}"

    def answers() -> list[dict[str, Any]]:
        return [body["data"] for heard, body in made.ears.heard if heard == topic and body["data"]["ref"] == ref]

    await made.ears.until(answers, what=f"the answer to {verb}")
    [answer] = answers()
    return answer


async def test_messages_are_listed_shown_marked_and_deleted_by_command(tmp_path: Path, free_port: Callable[[], int]):
    """By relay's id or by AT&T's; every command has one answer, with its `ref`, on its client's topic."""
    async with at_home(tmp_path, free_port, modes={"att-inapp": {"message_ids": "ugly"}}) as made:
        await followed(made)
        made.act("receive", from_=FRIEND, text="first")
        made.act("receive", from_=FRIEND, text="picture", parts=[part()])
        await made.ears.until(lambda: len(made.ears.events("message")) >= 2, what="two messages")
        heard = {event["data"]["text"]: event["data"] for event in made.ears.events("message")}
        first, picture = heard["first"], heard["picture"]

        listed = await told(made, "list", "crm", limit=10, unread=True)
        assert listed["outcome"] == "found"
        refs = {one["message_id"] for one in listed["page"]["messages"]}
        assert refs == {message["provider"]["message_id"] for message in heard.values()}
        shown = await told(made, "get", "crm", message_id=picture["message_id"])
        assert (shown["outcome"], shown["message"]["text"]) == ("found", "picture")
        assert [each["data"] for each in shown["message"]["media"] if "gif" in each["content_type"]] == [part()["data"]]
        again = await told(made, "get", "other", message_id=picture["provider"]["message_id"])
        assert again["message"]["text"] == "picture"

        assert (await told(made, "update", "crm", message_id=first["message_id"], is_unread=False))["outcome"] == "done"
        await made.ears.until(lambda: made.ears.events("event.updated"), what="it is told as updated")
        left = await told(made, "list", "crm", unread=True)
        assert [one["message_id"] for one in left["page"]["messages"]] == [picture["provider"]["message_id"]]
        assert (await told(made, "delete", "crm", message_id=first["message_id"]))["outcome"] == "done"
        await made.ears.until(lambda: made.ears.events("event.deleted"), what="it is told as deleted")
        assert [event["data"]["message_id"] for event in made.ears.events("event.deleted")] == [first["message_id"]]
        gone = await told(made, "get", "crm", message_id=first["message_id"])
        assert (gone["outcome"], gone["error"]["code"]) == ("rejected", "unknown_id")
        assert (await told(made, "delete", "crm", message_id=first["message_id"]))["outcome"] == "done"
        assert len(made.ears.events("message")) == 2
