# limit: 900
# What happens to radios: the driver goes and comes, somebody takes the interface down or changes its type, rfkill. The
# sensor recovers without a restart.
# shellcheck shell=bash
# shellcheck source=tests/vm/radio.sh
. "$(dirname "${BASH_SOURCE[0]}")/../radio.sh"

broker
subscribe
# No radio at all yet.
radio_sensor 'interface = "wlan2"
channels = "1,6,11"'
wait_for 20 messages_say "statuses and statuses[-1]['reason'] == 'radio_absent'"
ok "without a radio the sensor is up, and says radio_absent"
since=$(now)
radios 3
access_point wlan0 vm-net 6
recovered "a radio that comes later" "$since"

since=$(now)
ip link set airtally0 down
recovered "ip link set down by somebody else" "$since"

since=$(now)
ip link set airtally0 down
iw dev airtally0 set type managed
recovered "the type changed under us" "$since"

since=$(now)
ip link set wlan2 up
recovered "another interface of the card brought up" "$since"

since=$(now)
phy=$(phy_of airtally0)
for file in /sys/class/ieee80211/"$phy"/rfkill*/soft; do echo 1 >"$file"; done
wait_for 20 messages_say "statuses[-1]['reason'] == 'rfkill'"
ok "blocked: the status says rfkill after $(messages "round(max(at for at, t, d in m if t == 'status') - $since, 1)") s"
sleep 2
since=$(now)
for file in /sys/class/ieee80211/"$phy"/rfkill*/soft; do echo 0 >"$file"; done
recovered "rfkill unblocked" "$since"

since=$(now)
iw dev airtally0 del
recovered "the interface deleted by somebody else" "$since"

stop_access_point wlan0
modprobe -r mac80211_hwsim
wait_for 20 messages_say "statuses[-1]['reason'] == 'radio_absent'"
ok "the driver removed: the status says radio_absent"
sleep 2
since=$(now)
radios 3
access_point wlan0 vm-net 6
recovered "the driver back" "$since"

holds "the sensor never restarted" kill -0 "$sensor_pid"
equal "one run" 1 "$(messages "len({b['run'] for b in batches})")"
equal "windows without a hole" True "$(messages "(lambda s: s == list(range(len(s))))(sorted({b['seq'] for b in batches}))")"
note "events: $(messages "[e['kind'] for e in events]")"
most "lines of log" 120 "$(wc -l <sensor.log)"
stop "$sensor_pid"
holds "no interface of ours is left" test ! -e /sys/class/net/airtally0
