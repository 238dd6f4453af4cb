#!/bin/sh
# Send a text through relay with mosquitto's own programs, and follow it until each copy has its final receipt.
#
#   send.sh ID NUMBER TEXT...        send.sh order-1234-shipped +12065550123 Your order is on its way.
#
# MQTT_HOST, MQTT_PORT and LINE say where. A user and a password belong into ~/.config/mosquitto_pub and
# ~/.config/mosquitto_sub (one option a line), not into arguments that everybody on the machine can read.
# Run again with the same ID it sends nothing twice.
set -eu
[ $# -ge 3 ] || { echo "usage: $0 ID NUMBER TEXT..." >&2; exit 2; }
id=$1 number=$2
shift 2
line=${LINE:-alerts} client=shell
below=relay/line/$line
at="-h ${MQTT_HOST:-localhost} -p ${MQTT_PORT:-1883} -q 1"
hear="$at -i $client-$id -c -t $below/result/$client -t $below/receipt/$client"

# Subscribe first, under a session that the broker keeps (-c), and leave again (-E): no answer can be missed.
mosquitto_sub $hear -E

# JSON is made and read by a program that knows it.
python3 -c 'import json, sys; print(json.dumps({"id": sys.argv[1], "to": sys.argv[2], "text": sys.argv[3]}))' \
    "$id" "$number" "$*" | mosquitto_pub $at -t "$below/send/$client" -s

# Tell what comes, for two minutes at most (-W).
answers=$(mktemp -u)
mkfifo "$answers"
mosquitto_sub $hear -W "${WITHIN:-120}" >"$answers" &
hearing=$!
trap 'kill $hearing 2>/dev/null || true; rm -f "$answers"' EXIT
python3 -c '
import json, sys
for line in sys.stdin:
    event = json.loads(line)
    data = event["data"]
    if data["request_id"] != sys.argv[1]:
        continue
    if event["type"] == "relay.receipt.v1":
        print(data["to"], data["status"], "(final)" if data["final"] else "", flush=True)
        if data["final"]:
            sys.exit(data["status"] not in ("delivered", "submitted"))
    else:
        print(data["outcome"], "(again)" if data["replayed"] else "", (data["error"] or {}).get("detail", ""), flush=True)
        if data["outcome"] == "rejected" or data["replayed"]:
            sys.exit(data["outcome"] == "rejected")
sys.exit("no final receipt came in time")
' "$id" <"$answers"
