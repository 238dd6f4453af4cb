"""command -> journal: what a command asks for is judged, written down, and answered.

The bus and the control socket both hand their commands in here. An answer is on disk, and on its way to the bus, when
`Intake.take` returns.
"""

from relay.intake.files import MediaFolder
from relay.intake.intake import UNASKED_TTL, Intake
from relay.intake.repeats import Repeats

__all__ = ["UNASKED_TTL", "Intake", "MediaFolder", "Repeats"]
