# limit: 900 alone
# The clock starts in 1970 and is synchronised later, steps a day forward and back, within clock.settle and beyond it,
# and a sensor is killed before it ever knew the time: every window is in the database once, when it was.
# shellcheck shell=bash

settle=15
day=86400
# The clock that nobody sets is the time since boot. The truth is that much after $boot, in nanoseconds.
# off SECONDS: sets the system clock that much beside the truth, to 5 ms: once more where something came in between.
off() {
    python3 - "$boot" "$1" <<'END'
import sys, time
boot, seconds = int(sys.argv[1]), int(sys.argv[2])
for _ in range(100):
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    time.clock_settime_ns(time.CLOCK_REALTIME, before + boot + seconds * 10**9)
    if time.clock_gettime_ns(time.CLOCK_BOOTTIME) - before < 5_000_000:
        sys.exit()
sys.exit("the clock could not be set to 5 ms")
END
}
# send NUMBER: 50 frames in 3 s from the station of that number; notes when the first and the last went, since boot.
send() {
    read -r "began[$1]" "ended[$1]" < <(python3 - "$1" <<'END'
import socket, sys, time
def since_boot():
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("far", 0))
frame = b"\xff" * 6 + b"\x00\x16\x3e\x00\x00" + bytes([int(sys.argv[1])]) + b"\x88\xb5" + bytes(46)
began = since_boot()
for n in range(50):
    out.send(frame)
    ended = since_boot()
    if n < 49:
        time.sleep(0.06)
print(began, ended)
END
    )
    sent=$((sent + 50))
}
# at NUMBER SECONDS: the frames of that station are stored, in windows of the time they were sent in, that much beside
# the truth, and first and last seen when they were.
at() {
    local mac from to
    mac=$(printf '00:16:3e:00:00:%02x' "$1")
    from=$((began[$1] + boot + $2 * 1000000000)) to=$((ended[$1] + boot + $2 * 1000000000))
    equal "frames of station $1, sent while windows were $2 s off" 50 \
        "$(stored "SELECT total(frames_sent) FROM station_rows WHERE station = '$mac' AND start_ns > $from - 2100000000 AND end_ns < $to + 2600000000" | cut -d . -f 1)"
    most "  milliseconds between the first or the last being sent and being seen" 500 \
        "$(stored "SELECT max(abs(min(first_seen_ns) - $from), abs(max(last_seen_ns) - $to)) / 1000000 FROM station_rows WHERE station = '$mac'")"
}
stored_station() { stored_is "SELECT total(frames_sent) FROM station_rows WHERE station = '$(printf '00:16:3e:00:00:%02x' "$1")'" 50.0; }
status() { mosquitto_sub -V 5 -C 1 -W 10 -t airtally/vm/sensor-1/status | jq -r '"\(.state) \(.reason)"'; }
status_is() { [ "$(status)" = "$1" ]; }

declare -A began ended
sent=0
boot=$((1790000000 * 1000000000))
ip link add near type veth peer name far
for interface in near far; do ip link set "$interface" addrgenmode none up; done

note "the machine believes that it is 1970"
# Linux keeps the system clock from going below the time since boot.
date -s "@$(($(cut -d . -f 1 /proc/uptime) + 60))" >/dev/null
broker
ingest
sensor near 'snaplen = 128'
sed -i "s|^settle = .*|settle = \"${settle}s\"|" sensor.toml
stop "$sensor_pid"
rm -rf sensor-run sensor-state sensor.log "$PWD/synchronized"
run_sensor
wait_for 20 status_is "degraded clock"
equal "status before the time is known" "degraded clock" "$(status)"
send 1
sleep 3
equal "windows stored before the time is known" 0 "$(stored 'SELECT count(*) FROM station_rows')"

note "kill -9, and another start that does not know the time either"
kill -9 "$sensor_pid"
run_sensor
send 2
sleep 3

note "the time is known"
off 0
touch synchronized
wait_for 30 stored_station 2
equal "status" "online null" "$(status)"
at 1 0
at 2 0
equal "windows in 1970" 0 "$(stored 'SELECT count(*) FROM windows WHERE start_ns < 1000000000000000000')"
wait_for 20 stored_is "SELECT count(*) FROM gaps" 1
equal "loss declared between the frames of stations 1 and 2, when they were sent" 1 \
    "$(stored "SELECT count(*) FROM gaps WHERE reason = 'crash' AND start_ns > $((began[1] + boot)) AND end_ns > start_ns AND end_ns < $((ended[2] + boot))")"

for step in $day -$day; do
    first=$([ "$step" = "$day" ] && echo 3 || echo 5)
    note "a step of $step s, taken back within clock.settle"
    off "$step"
    wait_for 10 status_is "degraded clock"
    send "$first"
    off 0
    wait_for 30 stored_station "$first"
    at "$first" 0
    wait_for 10 status_is "online null"
    equal "status" "online null" "$(status)"
done

note "a day forward, and it stays"
off $day
send 7
wait_for 60 grep -q clock_followed sensor.log
sleep 3
send 8
wait_for 30 stored_station 8
at 7 0
at 8 $day

note "a day back, and it stays"
off 0
send 9
# shellcheck disable=SC2016 # the inner shell counts
wait_for 60 sh -c 'test "$(grep -c clock_followed sensor.log)" = 2'
sleep 3
send 10
wait_for 30 stored_station 10
at 9 $day
at 10 0

note "the synchronisation is lost: the anchor holds"
rm synchronized
wait_for 10 status_is "online clock_unsynchronised"
off -500
send 11
wait_for 30 stored_station 11
at 11 0
stop "$sensor_pid"
wait_for 20 stored_is "SELECT count(*) FROM windows WHERE final" 1

equal "frames" "$sent" "$(stored 'SELECT sum(frames) FROM windows')"
equal "stored twice" 0 "$(stored 'SELECT count(*) - count(DISTINCT run || seq) FROM windows')"
equal "missing" 0 "$(stored 'SELECT sum(n) FROM (SELECT max(seq) + 1 - count(*) AS n FROM windows GROUP BY run)')"
equal "windows that overlap" 0 "$(stored 'SELECT count(*) FROM windows a JOIN windows b ON a.id < b.id AND a.start_ns < b.end_ns AND b.start_ns < a.end_ns')"
equal "windows that begin together" 0 "$(stored 'SELECT count(*) - count(DISTINCT start_ns) FROM windows')"
equal "windows that end before they begin" 0 "$(stored 'SELECT count(*) FROM windows WHERE end_ns < start_ns')"
equal "windows by a clock that was not synchronised" 0 "$(stored "SELECT count(*) FROM windows WHERE clock <> 'system'")"
equal "events" "clock_followed clock_followed clock_returned clock_returned clock_step clock_step clock_step clock_step clock_step clock_synchronised" \
    "$(grep -o 'event="clock_[a-z]*"' sensor.log | cut -d '"' -f 2 | sort | xargs)"

note "another start that never knows: its windows wait until the next boot, or until they need not"
send_after() { run_sensor; send "$1"; sleep 3; stop "$sensor_pid"; }
send_after 12
equal "windows of it that went out" 0 "$(stored "SELECT count(*) FROM station_rows WHERE station = '00:16:3e:00:00:0c'")"
sed -i 's/^sync = .*/sync = "never"/' sensor.toml
run_sensor
wait_for 30 stored_station 12
equal "windows marked unsynced" 1 "$(stored "SELECT count(*) > 0 FROM windows WHERE clock = 'unsynced'")"
equal "windows that overlap" 0 "$(stored 'SELECT count(*) FROM windows a JOIN windows b ON a.id < b.id AND a.start_ns < b.end_ns AND b.start_ns < a.end_ns')"
stop "$sensor_pid"
