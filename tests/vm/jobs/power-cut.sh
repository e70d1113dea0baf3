# limit: 240 alone reboots
# The power goes while a sensor, the broker and ingest write on one machine, and comes back: from the first window on, every
# moment is in a window or in a declared gap.
# shellcheck shell=bash

# traffic: 50 frames a second into the sensor's interface.
traffic() {
    python3 - <<'END' &
import socket, time
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("far", 0))
frame = b"\xff" * 6 + b"\x00\x16\x3e\x00\x00\x01" + b"\x88\xb5" + bytes(46)
while True:
    out.send(frame)
    time.sleep(0.02)
END
}
start() {
    ip link add near type veth peer name far
    for interface in near far; do ip link set "$interface" addrgenmode none up; done
    broker
    ingest
    configure_sensor near 'snaplen = 128'
    # Memory that is gone without power, and windows that move to disk after five seconds.
    sed -i -e 's|^runtime_dir = .*|runtime_dir = "/run/airtally-cut"\nage_out = "5s"|' sensor.toml
    mkdir -p /run/airtally-cut
    run_sensor
    traffic
}
# covered: what of the time from the first window to the end of the last is in no window and no gap, as "from to" a line.
covered() {
    stored "SELECT start_ns, end_ns FROM windows UNION ALL SELECT start_ns, end_ns FROM gaps ORDER BY 1" | python3 -c '
import sys
end = None
for line in sys.stdin:
    start, until = map(int, line.split("|"))
    if end is not None and start - end > 1_000_000:
        print(end, start)
    end = until if end is None else max(end, until)'
}

cut=/mnt/share/out/power-cut/cut
if [ ! -e "$cut" ]; then
    start
    wait_for 60 stored_is 'SELECT count(*) >= 8 FROM windows' 1
    date +%s%N >"$cut"
    echo b >/proc/sysrq-trigger
    sleep 60
fi
note "the power is back"
cut=$(cat "$cut")
before=$(stored "SELECT count(*) FROM windows WHERE end_ns < $cut")
least "windows stored before the cut" 6 "$before"
: >sensor.log
start
wait_for 60 stored_is "SELECT count(*) >= 5 FROM windows WHERE start_ns > $cut" 1
stop "$sensor_pid"
wait_for 30 stored_is "SELECT count(*) FROM windows WHERE final AND start_ns > $cut" 1
least "declared losses" 1 "$(stored 'SELECT count(*) FROM gaps')"
holes=$(covered)
equal "moments in no window and no gap" "" "$holes"
least "seconds before the cut that are stored" 10 \
    "$(stored "SELECT (max(end_ns) - min(start_ns)) / 1000000000 FROM windows WHERE end_ns < $cut")"
note "the gaps: $(stored 'SELECT reason, first_seq, last_seq, (end_ns - start_ns) / 1000000000 FROM gaps' | tr '\n' ' ')"
