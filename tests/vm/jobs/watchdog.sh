# limit: 1500
# A stage that hangs, whichever, is found by the watchdog: systemd kills the daemon, starts it again, and it counts.
# shellcheck shell=bash

radios 2
monitor wlan0 6
monitor wlan1 6
install_package
system_broker
configure_by_hand wlan1
history=/var/lib/airtally-ingest/history.sqlite
mkdir -p /run/systemd/system/airtally-{sensor,ingest}.service.d
for role in sensor ingest; do
    printf '[Service]\nWatchdogSec=6\nRestartSec=1\n' >/run/systemd/system/airtally-$role.service.d/quick.conf
done
systemctl daemon-reload
systemctl start airtally-sensor airtally-ingest

# hang ROLE STAGE
hang() {
    local unit=airtally-$1 before stuck
    printf '[Service]\nEnvironment=AIRTALLY_TEST_HANG=%s\n' "$2" >"/run/systemd/system/$unit.service.d/hang.conf"
    systemctl daemon-reload
    systemctl restart "$unit"
    before=$(main_pid "$unit")
    rm "/run/systemd/system/$unit.service.d/hang.conf"
    systemctl daemon-reload
    stuck=$SECONDS
    if ! wait_for 60 is_new "$unit" "$before"; then
        fail "$1 $2: hung, and was not restarted"
        return
    fi
    holds "$1 $2: killed by the watchdog after $((SECONDS - stuck)) s" \
        journalctl -q --no-pager -u "$unit" -g "Killing process $before .*SIGABRT"
}
for stage in counting recorder publisher keeper; do hang sensor $stage; done
for stage in subscriber sink asker; do hang ingest $stage; done
# The keeper of the card is a stage too, where the card is the sensor's own.
sensor_toml=/etc/airtally/sensor.toml
cp $sensor_toml listening.toml
sed -i -e 's/^kind = .*/kind = "radio"/' -e '0,/^#interface/s/^#interface = .*/interface = "wlan1"/' $sensor_toml
hang sensor radio
systemctl stop airtally-sensor
cp listening.toml $sensor_toml
monitor wlan1 6
systemctl start airtally-sensor

# Sound again: it counts, and is left alone for longer than the watchdog's time.
had=$(stored 'SELECT coalesce(sum(frames), 0) FROM windows')
inject wlan0 400 200 >/dev/null
holds "it counts again" wait_for 40 stored_is "SELECT sum(frames) >= $had + 400 FROM windows" 1
# Now both run, whatever was restarted last.
pids="$(main_pid airtally-sensor) $(main_pid airtally-ingest)"
least "cut-off runs declared" 4 "$(stored 'SELECT count(*) FROM gaps')"

# Broker away and air quiet are no reasons to be killed.
systemctl stop mosquitto
sleep 20
equal "the same processes, 20 s without a broker" "$pids" "$(main_pid airtally-sensor) $(main_pid airtally-ingest)"
note "$(systemctl status airtally-sensor | sed -n 's/^ *Status: //p')"
note "$(systemctl status airtally-ingest | sed -n 's/^ *Status: //p')"
systemctl stop airtally-sensor airtally-ingest
rm -r /run/systemd/system/airtally-{sensor,ingest}.service.d
systemctl daemon-reload
