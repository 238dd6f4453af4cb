"""A handset's text or MMS comes in at a line: STOP is heeded, attachments are stored, the web hook follows."""

from collections.abc import Sequence

from relay.providerkit.simulated import World
from relay.providers.att_landline.formdata import FilePart
from relay.providers.att_landline.simulator.attachments import Attachments
from relay.providers.att_landline.simulator.engine import Engine
from relay.providers.att_landline.simulator.lines import LandlineLine, Lines
from relay.providers.att_landline.simulator.modes import LandlineModes
from relay.providers.att_landline.simulator.outbound import shown
from relay.providers.att_landline.simulator.texts import INBOUND, Text, Texts

_STATUS = 4
_LONG_BYTES = 700
_SMIL = b"<smil><head><layout/></head><body><par/></body></smil>"


class Inbound:
    """Takes what handsets send."""

    def __init__(
        self,
        world: World,
        lines: Lines,
        texts: Texts,
        attachments: Attachments,
        engine: Engine,
        modes: LandlineModes,
    ) -> None:
        self._world = world
        self._lines = lines
        self._texts = texts
        self._attachments = attachments
        self._engine = engine
        self._modes = modes

    def receive(self, line: LandlineLine, sender: str, body: str, files: Sequence[FilePart] = ()) -> None:
        """A text from `sender`; with files it is an MMS."""
        said = body
        if len(body.encode()) > _LONG_BYTES and self._modes.long_text == "attachment":
            files = [FilePart("file", "text_0.txt", "text/plain", body.encode()), *files]
            body = ""
        text = self._texts.new(line.number, sender, body, INBOUND, _STATUS)
        text.has_attachment = bool(files)
        self._attachments.store(text.id, line.number, self._with_layout(files), self._modes.storing_seconds)
        facts = {"service": "att-landline", "line": line.number, "from": sender, "text": said, "id": str(text.id)}
        self._world.ledger.record("received", {**facts, "files": shown(files)} if files else facts)
        self._lines.heed(line, sender, said)
        self._tell(text)

    def _with_layout(self, files: Sequence[FilePart]) -> Sequence[FilePart]:
        if not files or not self._modes.smil:
            return files
        return [*files, FilePart("smil", "123_1.smil", "application/smil", _SMIL)]

    def _tell(self, text: Text) -> None:
        if self._modes.payload == "later":
            text.read = text.created
        self._engine.emit("receive", text)
