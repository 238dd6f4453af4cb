"""The attachments of texts: messageAttachment/list and hostedContent/get (Landline document, MMS Retrieve Process)."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from relay.providerkit.simulated import World
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.failures import BAD_ARGUMENTS, LandlineError
from relay.providers.att_landline.simulator.texts import Texts, pacific

_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a text; `ready` is when (seconds since 1970) it is listed."""

    key: str
    line: str
    file: FilePart
    created: datetime
    ready: float

    def shown(self) -> dict[str, Any]:
        """As the list shows it."""
        return {
            "fileName": self.file.filename,
            "dateCreated": pacific(self.created),
            "fileSizeBytes": len(self.file.data),
            "mimeType": self.file.content_type.partition(";")[0],
            "storageKey": self.key,
        }


class Attachments:
    """Stores files, and hands them out under keys that last."""

    def __init__(self, world: World, texts: Texts) -> None:
        self._world = world
        self._texts = texts
        self._of_text: OrderedDict[int, list[Attachment]] = OrderedDict()
        self._by_key: dict[str, Attachment] = {}

    def store(self, text_id: int, line: str, files: Sequence[FilePart], after: float) -> None:
        """Keep the files of a text; they are listed `after` seconds from now."""
        now, ready = self._world.clock.now(), self._world.now() + after
        stored = [Attachment(self._new_key(), line, file, now, ready) for file in files]
        self._of_text[text_id] = stored
        self._by_key |= {one.key: one for one in stored}
        while len(self._of_text) > _REMEMBERED:
            for old in self._of_text.popitem(last=False)[1]:
                del self._by_key[old.key]

    def list(self, line: str, fields: Mapping[str, str]) -> web.Response:
        """What is stored of a text; without `success`, as in the document. Raises LandlineError (-703)."""
        wanted = fields.get("messageId", "")
        text = self._texts.get(int(wanted)) if wanted.isdecimal() and wanted.isascii() else None
        if text is None or text.line != line:
            raise LandlineError(BAD_ARGUMENTS)
        ready = [one for one in self._of_text.get(text.id, []) if one.ready <= self._world.now()]
        return web.json_response({"total": len(ready), "response": [one.shown() for one in ready]})

    def get(self, line: str, fields: Mapping[str, str]) -> web.Response:
        """A file's bytes; raises LandlineError (-703)."""
        found = self._by_key.get(fields.get("storageKey", ""))
        if found is None or found.line != line:
            raise LandlineError(BAD_ARGUMENTS)
        # What it is served as says nothing: clients are to take the type from the list.
        return web.Response(body=found.file.data, content_type="application/octet-stream")

    def _new_key(self) -> str:
        return str(UUID(int=self._world.ids.chance.getrandbits(128), version=4))
