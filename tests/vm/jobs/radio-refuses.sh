# limit: 400
# What cannot work gets one sentence and exit status 2, and nothing is left half-configured.
# shellcheck shell=bash
# shellcheck source=tests/vm/radio.sh
. "$(dirname "${BASH_SOURCE[0]}")/../radio.sh"

# Another job may have set another.
iw reg set 00
radios 3
wait_for 10 sh -c 'iw reg get | grep -q "country 00"'
iw dev >before
# refuses WHAT WORDS COMMAND…: exit status 2 and one line with the words.
refuses() {
    local what=$1 words=$2 status=0
    shift 2
    timeout 20 "$@" >refusal 2>&1 || status=$?
    # The log's lines before it are not the refusal.
    tail -n 1 refusal >line
    if [ "$status" = 2 ] && grep -q -- "$words" line && [ "$(grep -c '^airtally:' refusal)" = 1 ]; then
        ok "$what: $(cat line)"
    else
        fail "$what: status $status, $(cat refusal)"
    fi
}
# config "RADIO TOML"
config() {
    printf '%s\n' '[radio]' "$1" '[clock]' 'sync = "never"' '[spool]' "runtime_dir = \"$PWD/run\"" "state_dir = \"$PWD/state\"" \
        '[oui]' "cache = \"$PWD/oui.sqlite\"" >bad.toml
    mkdir -p run state
    chmod 777 run state
}
config ''
refuses "several cards" "could listen: say which one" "$airtally" sensor --config bad.toml
config 'interface = "lo"'
refuses "a wired interface" "is not a wireless interface" "$airtally" sensor --config bad.toml
config 'interface = "wlan1"
channels = "6:1-9"'
refuses "channels that the regulatory domain forbids" "may listen to none of the channels" "$airtally" sensor --config bad.toml
config 'interface = "wlan1"'
rm -rf run state
mkdir -m 777 run state
refuses "no capabilities" "CAP_NET_ADMIN" setpriv --reuid=65534 --regid=65534 --clear-groups "$airtally" sensor --config bad.toml
ip addr add 192.0.2.2/24 dev wlan2
ip link set wlan2 up
ip route add default dev wlan2
config 'interface = "wlan2"'
refuses "the uplink" "carries the default route" "$airtally" sensor --config bad.toml
refuses "the uplink, in a test" "carries the default route" "$airtally" radio test --interface wlan2
ip link set wlan2 down
access_point wlan0 vm-net 6
config 'interface = "wlan0"'
refuses "an access point" "serves as AP" "$airtally" sensor --config bad.toml
config 'channels = "1,,6"'
"$airtally" check bad.toml >impossible 2>&1 || true
least "an impossible list, refused by check" 1 "$(grep -c "empty place" impossible)"
refuses "a forbidden channel, in a plan" "may not listen to 6:1" "$airtally" radio plan --interface wlan1 --channels 6:1
"$airtally" radio test --interface wlan1 --channels 1,6,11 --dwell 1s | tee test.out
least "beacons on channel 6 in a test" 3 "$(awk '$1 == 6 { print $5 }' test.out)"
status=0
"$airtally" radio test --interface wlan1 --channels 1 >/dev/null 2>&1 || status=$?
equal "status of a test that hears nothing" 1 "$status"
stop_access_point wlan0
config 'interface = "wlan1"'
"$airtally" doctor --config bad.toml >doctor.out || true
least "the doctor knows the card" 1 "$(grep -c 'wlan1.* can listen, to .* channels' doctor.out)"
iw dev >after
holds "nothing is left half-configured" diff <(grep -v txpower before) <(grep -v txpower after)
