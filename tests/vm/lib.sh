# What the jobs of the test machine share: verdicts, radios, access points, stations, broker, sensor, ingest.
# Sourced by tests/vm/run, inside the machine, as root, in the job's own working folder.
# shellcheck shell=bash

airtally=/usr/local/bin/airtally
passed=0 failed=0

# --- verdicts ----------------------------------------------------------------------------------------------------
note() { printf '     %6s  %s\n' "$(cut -d ' ' -f 1 /proc/uptime)" "$*"; }
ok() {
    passed=$((passed + 1))
    printf 'ok   %s\n' "$*"
}
fail() {
    failed=$((failed + 1))
    printf 'FAIL %s\n' "$*"
}
# equal WHAT EXPECTED FOUND
equal() { if [ "$2" = "$3" ]; then ok "$1: $3"; else fail "$1: expected $2, found $3"; fi; }
# least WHAT SMALLEST FOUND: a whole number, at least.
least() { if [ "$3" -ge "$2" ] 2>/dev/null; then ok "$1: $3 (at least $2)"; else fail "$1: found $3, at least $2 expected"; fi; }
# most WHAT LARGEST FOUND: a whole number, at most.
most() { if [ "$3" -le "$2" ] 2>/dev/null; then ok "$1: $3 (at most $2)"; else fail "$1: found $3, at most $2 expected"; fi; }
# holds WHAT COMMAND…: the command succeeds.
holds() {
    local what=$1
    shift
    if "$@" >/dev/null 2>&1; then ok "$what"; else fail "$what"; fi
}
verdict() {
    local status=$?
    trap - ERR
    [ "$passed" -gt 0 ] || [ "$failed" -gt 0 ] || fail "nothing was asserted"
    [ "$status" = 0 ] || [ "$failed" -gt 0 ] || fail "the job ended with status $status"
    [ "$failed" = 0 ]
    exit
}

# wait_for SECONDS COMMAND…: until the command succeeds; fails, with a line that says so, when it does not.
wait_for() {
    local seconds=$1 end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            note "waited $seconds s in vain for: $*"
            return 1
        fi
        sleep 0.2
    done
}

# --- radios ------------------------------------------------------------------------------------------------------
# radios N: N simulated radios, wlan0 to wlan(N-1), on one air.
radios() {
    modprobe mac80211_hwsim radios="$1"
    wait_for 20 test -e "/sys/class/net/wlan$(($1 - 1))/address"
    udevadm settle
}
mac_of() { cat "/sys/class/net/$1/address"; }
phy_of() { cat "/sys/class/net/$1/phy80211/name"; }

# monitor INTERFACE CHANNEL: makes it a monitor by hand.
monitor() {
    ip link set "$1" down
    iw dev "$1" set type monitor
    ip link set "$1" up
    iw dev "$1" set channel "$2"
}

# access_point INTERFACE NAME CHANNEL [PASSWORD]: hostapd with WPA2, address 192.168.77.1; an end by: stop_access_point.
access_point() {
    cat >"ap-$1.conf" <<END
interface=$1
driver=nl80211
ssid=$2
hw_mode=$(if [ "$3" -gt 14 ]; then echo a; else echo g; fi)
channel=$3
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=${4:-correct horse}
ctrl_interface=/run/hostapd
END
    ip addr replace 192.168.77.1/24 dev "$1"
    hostapd -B -P "$PWD/ap-$1.pid" -f "ap-$1.log" "ap-$1.conf" >/dev/null
}
stop_access_point() { stop "$(cat "ap-$1.pid")"; }

# station NAMESPACE INTERFACE NETWORK [PASSWORD]: moves the radio into a network namespace, so that its traffic has to
# cross the air, and joins; address 192.168.77.2. Returns when it has joined.
station() {
    local mac
    mac=$(mac_of "$2")
    ip netns add "$1"
    iw phy "$(phy_of "$2")" set netns name "$1"
    cat >"station-$1.conf" <<END
ctrl_interface=/run/wpa_supplicant-$1
network={
 ssid="$3"
 scan_ssid=1
 psk="${4:-correct horse}"
}
END
    ip netns exec "$1" ip link set lo up
    ip netns exec "$1" wpa_supplicant -B -i "$2" -c "station-$1.conf" -P "$PWD/station-$1.pid" -f "station-$1.log" >/dev/null
    wait_for 60 joined "$1" "$2"
    ip netns exec "$1" ip addr add 192.168.77.2/24 dev "$2"
    note "station $mac has joined $3"
}
joined() { ip netns exec "$1" wpa_cli -p "/run/wpa_supplicant-$1" -i "$2" status | grep -qx wpa_state=COMPLETED; }
stop_station() { stop "$(cat "station-$1.pid")"; }

# inject INTERFACE FRAMES PER_SECOND [MAC…]: beacons of these transmitters in turn (default 02:00:5e:00:00:01), into a
# monitor interface; prints how many went out in which time.
inject() { python3 "$(dirname "${BASH_SOURCE[0]}")/inject.py" "$@"; }

# witness INTERFACE: tcpdump writes what this monitor hears to witness-INTERFACE.pcap. End it by: end_witness INTERFACE.
witness() {
    tcpdump -i "$1" -U -s 512 -w "witness-$1.pcap" 2>"witness-$1.log" &
    echo $! >"witness-$1.pid"
    wait_for 20 grep -q 'listening on' "witness-$1.log"
}
end_witness() { stop "$(cat "witness-$1.pid")" INT; }
# heard INTERFACE [FILTER]: how many frames the witness has of this kind.
heard() { tcpdump -n -r "witness-$1.pcap" "${2:-}" 2>/dev/null | wc -l; }

# --- processes ---------------------------------------------------------------------------------------------------
# stop PID [SIGNAL]: and waits until it is gone.
stop() {
    kill -s "${2:-TERM}" "$1"
    wait_for 30 gone "$1"
}
gone() { ! kill -0 "$1"; }
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1"); }

# broker: mosquitto on port 1883, with a queue that holds everything.
broker() {
    cat >broker.conf <<END
listener 1883 127.0.0.1
allow_anonymous true
max_queued_messages 0
END
    mosquitto -c broker.conf >broker.log 2>&1 &
    broker_pid=$!
    wait_for 20 listens 1883
}

# sensor INTERFACE [MORE TOML…]: a sensor on an interface that is a monitor already, windows of two seconds. Each
# further argument is a line for the top of its configuration's [source] table. The file `synchronized` in the job's
# folder says that the machine's clock is right.
sensor() {
    configure_sensor "$@"
    run_sensor
}
# configure_sensor, with the same arguments: writes sensor.toml, and starts nothing.
configure_sensor() {
    local interface=$1
    shift
    {
        printf '%s\n' 'site = "vm"' 'sensor = "sensor-1"' '[source]' 'kind = "interface"' "interface = \"$interface\"" "$@"
        printf '%s\n' '[window]' 'length = "2s"' '[mqtt]' 'host = "127.0.0.1"'
        printf '%s\n' '[clock]' 'sync = "marker"' "marker = \"$PWD/synchronized\"" 'settle = "10m"'
        printf '%s\n' '[oui]' "cache = \"$PWD/oui.sqlite\""
        printf '%s\n' '[spool]' "runtime_dir = \"$PWD/sensor-run\"" "state_dir = \"$PWD/sensor-state\""
    } >sensor.toml
    touch synchronized
}
# run_sensor: starts a sensor with sensor.toml; sets sensor_pid.
run_sensor() {
    mkdir -p sensor-run sensor-state
    "$airtally" check sensor.toml
    "$airtally" sensor --config sensor.toml >>sensor.log 2>&1 &
    sensor_pid=$!
    wait_for 30 grep -q counting sensor.log
}

# ingest: stores what sensors publish in history.sqlite; sets ingest_pid.
ingest() {
    {
        printf '%s\n' 'name = "vm"' '[mqtt]' 'host = "127.0.0.1"' '[spool]' "state_dir = \"$PWD/ingest-state\"" 'commit_within = "1s"'
        printf '%s\n' '[sqlite]' "path = \"$PWD/history.sqlite\"" 'commit_within = "1s"'
    } >ingest.toml
    mkdir -p ingest-state
    "$airtally" ingest --config ingest.toml >>ingest.log 2>&1 &
    ingest_pid=$!
    wait_for 30 test -e history.sqlite
}

# stored SQL: one figure or row of the history.
stored() { sqlite3 -readonly -cmd '.timeout 5000' "${history:-history.sqlite}" "$1"; }
# all_stored INTERFACE: the history has as many frames as that witness has heard; for wait_for, once the air is quiet.
all_stored() {
    local heard
    heard=$(heard "$1")
    [ "$heard" -gt 0 ] && stored_is 'SELECT sum(frames) FROM windows' "$heard"
}
# stored_is SQL VALUE: for wait_for.
stored_is() { [ "$(stored "$1")" = "$2" ]; }

# --- the package -------------------------------------------------------------------------------------------------
# install_package [FILE]: as a user would, from a local file; airtally's under test where none is named.
install_package() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${1:-$(echo /mnt/share/airtally_*.deb)}" \
        >>apt.log 2>&1
    # There is no time server in here: the clock is taken to be right.
    mkdir -p /run/systemd/timesync
    touch /run/systemd/timesync/synchronized
}
# main_pid UNIT; property UNIT NAME.
property() { systemctl show --value -p "$2" "$1"; }
main_pid() { property "$1" MainPID; }
# capabilities PID SET: a set of /proc/PID/status, in hexadecimal.
capabilities() { sed -n "s/^$2:\t*//p" "/proc/$1/status"; }
# is_new UNIT PID: it runs, and not as this process.
is_new() { [ "$(property "$1" SubState)" = running ] && [ "$(main_pid "$1")" != "$2" ]; }

# system_broker: mosquitto as a service, with the rules and snippet of the package, users sensor-1 and ingest-1.
system_broker() {
    local examples=/usr/share/doc/airtally/packaging/mosquitto
    cp $examples/airtally.conf /etc/mosquitto/conf.d/
    cp $examples/airtally.acl /etc/mosquitto/airtally.acl
    : >/etc/mosquitto/airtally.passwd
    mosquitto_passwd -b /etc/mosquitto/airtally.passwd sensor-1 sesame
    mosquitto_passwd -b /etc/mosquitto/airtally.passwd ingest-1 sesame
    chown mosquitto: /etc/mosquitto/airtally.passwd /etc/mosquitto/airtally.acl
    systemctl start mosquitto
    wait_for 20 listens 1883
}

# configure_by_hand INTERFACE: what docs/install.md tells a person to write, for this machine's broker.
configure_by_hand() {
    echo sesame >/etc/airtally/sensor.secrets/mqtt-password
    echo sesame >/etc/airtally/ingest.secrets/mqtt-password
    sed -i -e 's/^kind = .*/kind = "interface"/' -e "0,/^#interface/s/^#interface = .*/interface = \"$1\"/" -e 's/^length = .*/length = "2s"/' \
        -e 's/^#username = .*/username = "sensor-1"/' \
        -e 's#^\#password_file = .*#password_file = "/run/credentials/airtally-sensor.service/secret_mqtt-password"#' \
        /etc/airtally/sensor.toml
    sed -i -e 's/^#username = .*/username = "ingest-1"/' \
        -e '0,\#^\#password_file#s#^\#password_file = .*#password_file = "/run/credentials/airtally-ingest.service/secret_mqtt-password"#' \
        -e 's/^#\?commit_within = .*/commit_within = "1s"/' -e 's/^#\[sqlite\]/[sqlite]/' -e 's#^\#path = "/var/lib/airtally-ingest/history.sqlite"#path = "/var/lib/airtally-ingest/history.sqlite"#' \
        /etc/airtally/ingest.toml
    "$airtally" check /etc/airtally/sensor.toml /etc/airtally/ingest.toml
}
