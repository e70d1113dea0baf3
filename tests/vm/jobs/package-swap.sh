# limit: 1500 sensor-package
# airtally and airtally-sensor take each other's place, by apt and by dpkg: what ran runs on where the package has it, and
# configuration, spool and history stay; purging one while the other is there, or has left its things, removes nothing.
# shellcheck shell=bash

radios 3
monitor wlan0 6
monitor wlan1 6
monitor wlan2 6
install_package
system_broker
configure_by_hand wlan1
history=/var/lib/airtally-ingest/history.sqlite
witness wlan2
systemctl enable --now airtally-ingest airtally-sensor
inject wlan0 500 200 >/dev/null
wait_for 60 all_stored wlan2
everything() { md5sum /etc/airtally/*.toml /etc/airtally/*.secrets/*; }
state() { dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true; }
smaller=$(echo /mnt/share/airtally-sensor_*.deb)
before=$(everything)

# An upgrade while both run.
dpkg-deb -R /mnt/share/airtally_*.deb tree
sed -i 's/^Version: .*/&+next/' tree/DEBIAN/control
dpkg-deb --root-owner-group -Znone -b tree airtally-next.deb >/dev/null
sensor=$(main_pid airtally-sensor) ingest=$(main_pid airtally-ingest)
install_package "$PWD/airtally-next.deb"
holds "ingest runs after an upgrade, restarted" wait_for 30 is_new airtally-ingest "$ingest"
holds "the sensor runs after an upgrade, restarted" wait_for 30 is_new airtally-sensor "$sensor"

# To the smaller package, by apt.
sensor=$(main_pid airtally-sensor)
install_package "$smaller"
equal "packages" "config-files installed" "$(state airtally) $(state airtally-sensor)"
holds "the sensor runs on" wait_for 30 is_new airtally-sensor "$sensor"
equal "nobody stores" "" "$(pgrep -u airtally-ingest | xargs)"
holds "the smaller program has no ingest" sh -c '! /usr/bin/airtally ingest --help'
holds "setup says which package has ingest" sh -c "/usr/bin/airtally setup --yes --role ingest 2>&1 | grep -q 'install the package airtally'"
holds "and no unit of it" test ! -e /usr/lib/systemd/system/airtally-ingest.service
holds "the manual is there" test -s /usr/share/man/man1/airtally-sensor.1.gz
equal "configuration and secrets" "$before" "$(everything)"
inject wlan0 500 200 >/dev/null
systemctl stop mosquitto
inject wlan0 500 200 >/dev/null
sleep 5

# And back, by dpkg; the sensor's spool has windows that the broker has not taken.
sensor=$(main_pid airtally-sensor)
dpkg -i /mnt/share/airtally_*.deb >>apt.log 2>&1
equal "packages" "installed config-files" "$(state airtally) $(state airtally-sensor)"
holds "the sensor runs on" wait_for 30 is_new airtally-sensor "$sensor"
holds "ingest, which ran before, runs again" wait_for 30 is_new airtally-ingest 0
equal "enabled" "enabled enabled" "$(systemctl is-enabled airtally-sensor airtally-ingest | xargs)"
equal "configuration and secrets" "$before" "$(everything)"
systemctl start mosquitto
inject wlan0 300 200 >/dev/null
wait_for 90 all_stored wlan2 || true
equal "frames stored, over an upgrade and both swaps" "$(heard wlan2)" "$(stored 'SELECT sum(frames) FROM windows')"
equal "gaps declared" 0 "$(stored 'SELECT count(*) FROM gaps')"

# A purge of what the swap has left, either way.
frames=$(stored 'SELECT sum(frames) FROM windows')
ingest=$(main_pid airtally-ingest)
dpkg --purge airtally-sensor >>apt.log 2>&1
equal "configuration and secrets after purging airtally-sensor" "$before" "$(everything)"
equal "both run on" "active active $ingest" "$(systemctl is-active airtally-sensor airtally-ingest | xargs) $(main_pid airtally-ingest)"
install_package "$smaller"
dpkg --purge airtally >>apt.log 2>&1
equal "packages" "not-installed installed" "$(state airtally) $(state airtally-sensor)"
equal "configuration and secrets after purging airtally" "$before" "$(everything)"
least "frames in the history after purging airtally" "$frames" "$(stored 'SELECT sum(frames) FROM windows')"
holds "the sensor's state" test -n "$(find /var/lib/airtally -name '*.sqlite')"
equal "the sensor" active "$(systemctl is-active airtally-sensor)"
holds "users" getent passwd airtally airtally-ingest

# One that was removed, not purged, keeps its things too; the last purge takes them.
install_package
apt-get remove -y airtally >>apt.log 2>&1
dpkg --purge airtally-sensor >>apt.log 2>&1
equal "configuration and secrets, kept by the removed airtally" "$before" "$(everything)"
dpkg --purge airtally >>apt.log 2>&1
for folder in /etc/airtally /var/lib/airtally /var/lib/airtally-ingest; do
    holds "the last purge takes $folder" test ! -e $folder
done
equal "users after the last purge" "" "$(getent passwd airtally airtally-ingest || true)"
end_witness wlan2
