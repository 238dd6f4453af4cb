"""What a spectator can try on a demo that stays: commands that are ready to be pasted."""

import shlex
import shutil

from relay.demo.world import SHORT_CODE, World

_REQUEST = '{"to": ["+13125550142"], "text": "Hello"}'
_TEXT = '{"from": "+13125550142", "to": "%s", "text": "Hi"}'


def things_to_try(world: World, program: str) -> str:
    """The commands; `program` is how the user calls relay."""
    port, socket = f"-p {world.broker.port}", f"--socket {shlex.quote(str(world.folder / 'relay.sock'))}"
    clients = "" if shutil.which("mosquitto_sub") else " (apt-get install mosquitto-clients)"
    return f"""
Everything stays up; Ctrl-C ends it. In another terminal:

See everything that relay says{clients}:
  mosquitto_sub {port} -t 'relay/#' -v
Send a text, and watch it arrive:
  mosquitto_pub {port} -q 1 -t relay/line/alerts/send -m '{_REQUEST}'
  echo '{_REQUEST}' | {program} send alerts --watch {socket}
Text the short code, as a phone:
  curl {world.att.base_url}/_sim/handset -d '{_TEXT % SHORT_CODE}'
See how everything stands, and every event as it happens:
  {program} status {socket}
  {program} tail {socket}
The same in a browser, with charts:
  {world.page}

relay's settings, journal and log are in {world.folder}"""
