# limit: 600
# Attacks by the tools that people use for them, each found by its kind; and before them air that only looks nearly like it,
# which is no alert: stations that come and go, an access point that restarts, changes its channel, gets a second one.
# shellcheck shell=bash

radios 5
ap=$(mac_of wlan0) second=$(mac_of wlan3)
monitor wlan2 6
monitor wlan4 6
broker
ingest
configure_sensor wlan2
cat >>sensor.toml <<END
[alerts]
enabled = true
[[networks]]
ssid = "vm-net"
bssids = ["$ap", "$second"]
END
run_sensor

# told KIND: how many alerts of this kind the history has; of all kinds where none is named.
told() { stored "SELECT count(*) FROM alerts WHERE kind LIKE '${1:-%}'"; }
is_told() { [ "$(told "$1")" -gt 0 ]; }
# found KIND SECONDS TOOL: the alert comes within so long.
found() {
    local begin=$SECONDS
    if wait_for "$2" is_told "$1"; then
        ok "$3: $1 after $((SECONDS - begin)) s"
    else
        fail "$3: no $1 within $2 s; the history has: $(stored "SELECT group_concat(DISTINCT kind) FROM alerts")"
    fi
}
# attack COMMAND…: in the background, until: attack_ends.
attack() {
    "$@" >>"$1.log" 2>&1 &
    attacker=$!
}
attack_ends() {
    kill "$attacker" 2>/dev/null || true
    wait "$attacker" 2>/dev/null || true
}

# --- nothing to tell ---------------------------------------------------------------------------------------------
access_point wlan0 vm-net 6
station client wlan1 vm-net
holds "the station is answered" ip netns exec client ping -c 10 -i 0.2 192.168.77.1
for _ in 1 2; do
    ip netns exec client wpa_cli -p /run/wpa_supplicant-client -i wlan1 disconnect >/dev/null
    sleep 2
    ip netns exec client wpa_cli -p /run/wpa_supplicant-client -i wlan1 reconnect >/dev/null
    wait_for 60 joined client wlan1
done
note "the access point restarts"
stop_access_point wlan0
sleep 3
access_point wlan0 vm-net 6
wait_for 60 joined client wlan1
note "a second access point of the network, and a guest network, come and go"
cat >ap-wlan3.conf <<END
interface=wlan3
driver=nl80211
ssid=vm-net
hw_mode=g
channel=6
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=correct horse
END
hostapd -B -P "$PWD/ap-wlan3.pid" -f ap-wlan3.log ap-wlan3.conf >/dev/null
sleep 10
stop_access_point wlan3
ip link set wlan3 down
ip link set wlan3 address 02:00:5e:00:53:98
printf '%s\n' interface=wlan3 driver=nl80211 ssid=vm-guests hw_mode=g channel=6 >ap-wlan3.conf
hostapd -B -P "$PWD/ap-wlan3.pid" -f ap-wlan3.log ap-wlan3.conf >/dev/null
sleep 10
stop_access_point wlan3
note "the access point changes its channel, and comes back"
hostapd_cli -i wlan0 chan_switch 5 2462 >/dev/null
sleep 10
stop_access_point wlan0
access_point wlan0 vm-net 6
wait_for 60 joined client wlan1
sleep 10
equal "alerts without an attack" 0 "$(told)"
[ "$(told)" = 0 ] || note "$(stored 'SELECT kind, class, subject FROM alerts')"
least "frames heard meanwhile" 1000 "$(stored 'SELECT sum(frames) FROM windows')"

# --- attacks -----------------------------------------------------------------------------------------------------
attack aireplay-ng -0 0 -a "$ap" -D wlan4
found deauth_flood 40 "aireplay-ng -0"
equal "of this access point" "$ap" "$(stored "SELECT lower(subject) FROM alerts WHERE kind = 'deauth_flood' LIMIT 1")"
attack_ends
attack mdk4 wlan4 b -s 50 -c 6
found beacon_flood 60 "mdk4 b"
attack_ends
attack mdk4 wlan4 a -a "$ap"
found auth_flood 60 "mdk4 a"
attack_ends

note "an access point of another name for itself has our network's name, first with a key, then without"
ip link set wlan3 down
ip link set wlan3 address 02:00:5e:00:53:99
cat >ap-wlan3.conf <<END
interface=wlan3
driver=nl80211
ssid=vm-net
hw_mode=g
channel=6
wpa=2
wpa_key_mgmt=WPA-PSK
rsn_pairwise=CCMP
wpa_passphrase=wrong horse
END
hostapd -B -P "$PWD/ap-wlan3.pid" -f ap-wlan3.log ap-wlan3.conf >/dev/null
found evil_twin 40 "hostapd, another address"
stop_access_point wlan3
printf '%s\n' interface=wlan3 driver=nl80211 ssid=vm-net hw_mode=g channel=6 >ap-wlan3.conf
hostapd -B -P "$PWD/ap-wlan3.pid" -f ap-wlan3.log ap-wlan3.conf >/dev/null
found open_twin 40 "hostapd, without a key"
stop_access_point wlan3

note "told: $(stored "SELECT group_concat(DISTINCT kind || '/' || class) FROM alerts")"
