# What the jobs about the radio share. Sourced by them.
# shellcheck shell=bash

# radio_sensor "RADIO TOML LINES" ["FURTHER TOML"]: a sensor on a card of its own, windows of one second.
radio_sensor() {
    {
        printf '%s\n' 'site = "vm"' "sensor = \"${sensor_name:-sensor-1}\"" '[source]' 'kind = "radio"' '[radio]' "$1"
        printf '%s\n' '[window]' 'length = "1s"' '[clock]' 'sync = "never"' '[mqtt]' 'host = "127.0.0.1"'
        printf '%s\n' '[oui]' "cache = \"$PWD/oui.sqlite\"" "${2:-}"
        printf '%s\n' '[spool]' "runtime_dir = \"$PWD/sensor-run\"" "state_dir = \"$PWD/sensor-state\""
    } >sensor.toml
    run_sensor
}

# subscribe: everything published goes to messages, one line each: the time of day in nanoseconds, the topic's last
# level, and the JSON.
subscribe() {
    mosquitto_sub -V 5 -t 'airtally/#' -F '%U %t %p' >messages 2>subscriber.log &
    subscriber=$!
}

# messages PYTHON: prints what the expression makes of m: a list of (seconds, topic, document).
messages() {
    python3 - "$1" <<'END'
import json, sys
m = []
for line in open("messages", errors="replace"):
    try:
        at, topic, text = line.split(" ", 2)
        m.append((float(at), topic.rsplit("/", 1)[-1], json.loads(text)))
    except ValueError:
        pass
batches = [d for _, t, d in m if t == "batch"]
events = [d for _, t, d in m if t == "event"]
statuses = [d for _, t, d in m if t == "status"]
print(eval(sys.argv[1]))
END
}
# messages_say PYTHON: for wait_for.
messages_say() { [ "$(messages "bool($1)")" = True ]; }

# recovered WHAT SINCE: waits for a window that began after SINCE (seconds) and in which frames were heard, with a status
# of online; prints how long it took.
recovered() {
    local found
    if wait_for 60 messages_say "statuses and statuses[-1]['state'] == 'online' and any(t == 'batch' and at > $2 + 1 and d['capture']['frames'] > 0 and d['capture']['off_ms'] == 0 for at, t, d in m)"; then
        found=$(messages "round(min(at for at, t, d in m if t == 'batch' and at > $2 + 1 and d['capture']['frames'] > 0 and d['capture']['off_ms'] == 0) - $2, 1)")
        ok "$1: a whole window with frames came after $found s (its own second and its half of grace included)"
    else
        fail "$1: no recovery within 60 s; status $(messages 'statuses[-1:]')"
    fi
}
now() { date +%s.%N; }
