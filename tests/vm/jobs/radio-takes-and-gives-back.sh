# limit: 600
# A card that wpa_supplicant holds, managed and up: the sensor takes it, counts what tcpdump on another radio hears, and
# gives it back, after a stop and after kill -9, a restart and a stop.
# shellcheck shell=bash
# shellcheck source=tests/vm/radio.sh
. "$(dirname "${BASH_SOURCE[0]}")/../radio.sh"

radios 4
ap=$(mac_of wlan0) client=$(mac_of wlan1)
monitor wlan3 6
# Its number: a kernel that had radios before counts on.
phy=$(cat /sys/class/net/wlan2/phy80211/name)
ip link set wlan2 up
printf 'ctrl_interface=/run/wpa_supplicant-held\nnetwork={\n ssid="elsewhere"\n psk="correct horse"\n}\n' >held.conf
wpa_supplicant -B -i wlan2 -c held.conf -P "$PWD/held.pid" -f held.log >/dev/null
# shown: what `iw dev` shows of the card's names and types, and which links are up.
shown() {
    iw dev | sed -n "/^phy#${phy#phy}\$/,/^phy/p" | sed '1n;/^phy/d' | grep -e phy# -e Interface -e Unnamed -e addr -e type
    for name in wlan2 airtally0; do
        if ip -o link show dev "$name" 2>/dev/null | grep -q '[<,]UP[,>]'; then echo "$name up"; fi
    done
}
shown >before
cat before

broker
ingest
subscribe
$airtally radio list | grep -A4 "$phy"
$airtally radio plan --interface wlan2 --channels 2.4:6
radio_sensor 'interface = "wlan2"
channels = "2.4:6"'
wait_for 20 messages_say "any(b['capture'].get('off_ms') == 0 for b in batches)"
holds "the sensor has an interface of its own" ip link show airtally0
witness wlan3

access_point wlan0 vm-net 6
station client wlan1 vm-net
equal "pings answered" 20 "$(ip netns exec client ping -c 20 -i 0.1 192.168.77.1 | sed -n 's/.*, \([0-9]*\) received.*/\1/p')"
stop_station client
stop_access_point wlan0
sleep 2
end_witness wlan3
wait_for 30 stored_is "SELECT total(frames) >= $(heard wlan3) FROM windows" 1 || true
least "frames heard by tcpdump" 100 "$(heard wlan3)"
equal "frames" "$(heard wlan3)" "$(stored 'SELECT sum(frames) FROM windows')"
for mac in "$ap" "$client"; do
    equal "frames of $mac" "$(heard wlan3 "wlan addr2 $mac")" \
        "$(stored "SELECT frames_sent FROM station_totals WHERE station = '$mac'")"
done
equal "probe requests of the station" \
    "$(heard wlan3 "type mgt subtype probe-req and wlan addr2 $client")" \
    "$(messages "sum(b.get('subtypes', {}).get('0x0004', 0) for b in batches)")"
equal "the network's name" "['vm-net']" \
    "$(messages "sorted({name for b in batches for s in b['stations'] if s['mac'] == '$ap' for name in s.get('ssids', [])})")"
equal "the channel of the access point" "[2437]" \
    "$(messages "sorted({mhz for b in batches for s in b['stations'] if s['mac'] == '$ap' for mhz in s['freqs_mhz']})")"
equal "frames dropped by the kernel" 0 "$(stored 'SELECT sum(kernel_drops) FROM windows')"
whole="[b for b in batches[1:] if not b['final']]"
equal "every whole window is accounted for to the millisecond" True \
    "$(messages "all(sum(c['listened_ms'] for c in b.get('channels', [])) + b['capture']['switching_ms'] + b['capture']['off_ms'] == 1000 for b in $whole)")"

stop "$sensor_pid"
shown >after
equal "after a stop iw dev shows what it showed before" "$(cat before)" "$(cat after)"
run_sensor
wait_for 20 ip link show airtally0
sleep 1
kill -9 "$sensor_pid"
wait_for 10 gone "$sensor_pid"
holds "kill -9 leaves the card taken" ip link show airtally0
run_sensor
# shellcheck disable=SC2016 # the inner shell counts
wait_for 30 sh -c '[ "$(grep -c radio_taken sensor.log)" = 3 ]'
stop "$sensor_pid"
shown >after
equal "after kill -9, a restart and a stop iw dev shows what it showed before" "$(cat before)" "$(cat after)"
