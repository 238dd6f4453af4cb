#!/bin/sh
# Print the texts that come in on all lines, one a line: the sender, a tab, and the text.
#
#   listen.sh [COUNT]        COUNT: end after so many
#
# MQTT_HOST and MQTT_PORT say where; a user and a password belong into ~/.config/mosquitto_sub. The broker keeps what
# comes while nobody listens (-c), and may deliver an event again: whoever acts on texts has to know their ids.
set -eu
mosquitto_sub -h "${MQTT_HOST:-localhost}" -p "${MQTT_PORT:-1883}" -q 1 -i shell-listen -c ${1:+-C "$1"} \
    -t 'relay/line/+/message' |
    python3 -c '
import json, sys
seen = set()
for line in sys.stdin:
    event = json.loads(line)
    if event["id"] not in seen:
        seen.add(event["id"])
        print(event["data"]["from"], event["data"]["text"], sep="\t", flush=True)
'
