# limit: 900
# airtally setup makes a fresh installation run; an upgrade asks nothing, restarts what ran, and keeps configuration, spool
# and history.
# shellcheck shell=bash

radios 3
monitor wlan0 6
monitor wlan1 6
monitor wlan2 6
install_package
system_broker
echo sesame >password
setup() { "$airtally" setup --yes --broker 127.0.0.1 --password-file password "$@" >>setup.log 2>&1; }
holds "setup sets up ingest" setup --role ingest --user ingest-1
equal "ingest" "enabled active" "$(systemctl is-enabled airtally-ingest) $(systemctl is-active airtally-ingest)"
if setup --role sensor --user sensor-1 --sensor sensor-1; then fail "setup chose among three cards"; fi
holds "of several cards setup takes none" grep -q 'say which one' setup.log
echo wrong >password
if setup --role sensor --user sensor-1 --sensor sensor-1 --interface wlan1; then fail "setup took a wrong password"; fi
holds "a broker that refuses is said" grep -q 'nothing was started' setup.log
equal "and nothing is started" inactive "$(systemctl is-active airtally-sensor || true)"
# By answers: place and name, card, privacy, broker, user, password.
printf '%s\n' vm/sensor-1 wlan1 plain 127.0.0.1 sensor-1 sesame | "$airtally" setup --role sensor >>setup.log 2>&1
equal "the sensor" "enabled active" "$(systemctl is-enabled airtally-sensor) $(systemctl is-active airtally-sensor)"
holds "it says what it heard" grep -q 'airtally-sensor: online: [0-9]* frames\? in window' setup.log
# One channel only, so that a witness can count along.
sed -i 's/^channels = .*/channels = "2.4:6"/' /etc/airtally/sensor.toml
systemctl restart airtally-sensor
equal "site and card" 'site = "vm" interface = "wlan1"' "$(grep -hE '^(site|interface) =' /etc/airtally/sensor.toml | xargs -d '\n')"
equal "the configuration's owner" "640 root:airtally" "$(stat -c '%a %U:%G' /etc/airtally/sensor.toml)"
equal "the password's owner" "600 root:root" "$(stat -c '%a %U:%G' /etc/airtally/sensor.secrets/mqtt-password)"
note "$(tail -n 1 setup.log)"
history=/var/lib/airtally-ingest/history.sqlite
witness wlan2
inject wlan0 500 200 >/dev/null
wait_for 30 all_stored wlan2
systemctl stop mosquitto
inject wlan0 500 200 >/dev/null
sleep 5

# The same package under a newer version.
dpkg-deb -R /mnt/share/airtally_*.deb tree
sed -i 's/^Version: .*/&+next/' tree/DEBIAN/control
dpkg-deb --root-owner-group -Znone -b tree airtally-next.deb >/dev/null
sums=$(cat /etc/airtally/*.toml | md5sum)
sensor=$(main_pid airtally-sensor) ingest=$(main_pid airtally-ingest)
install_package "$PWD/airtally-next.deb"
equal "upgraded" 1 "$(dpkg-query -W airtally | grep -c '+next$')"
holds "the sensor runs, restarted" wait_for 20 is_new airtally-sensor "$sensor"
holds "ingest runs, restarted" wait_for 20 is_new airtally-ingest "$ingest"
equal "configuration" "$sums" "$(cat /etc/airtally/*.toml | md5sum)"
equal "enabled" "enabled enabled" "$(systemctl is-enabled airtally-sensor airtally-ingest | xargs)"
inject wlan0 300 200 >/dev/null
systemctl start mosquitto
wait_for 60 all_stored wlan2 || true
equal "frames stored, over the upgrade" "$(heard wlan2)" "$(stored 'SELECT sum(frames) FROM windows')"
equal "gaps declared" 0 "$(stored 'SELECT count(*) FROM gaps')"

# Removed and installed again: it is as it was.
apt-get remove -y airtally >>apt.log 2>&1
equal "removed: nothing runs" "" "$(pgrep -a airtally | xargs)"
holds "removed: the configuration stays" test -e /etc/airtally/sensor.toml
install_package
equal "configuration after a removal" "$sums" "$(cat /etc/airtally/*.toml | md5sum)"
systemctl start airtally-sensor airtally-ingest
equal "it starts again" "active active" "$(systemctl is-active airtally-sensor airtally-ingest | xargs)"
