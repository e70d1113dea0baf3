# limit: 900
# Two hundred sensors, from the package, by the commands of docs/fleet.md: the list, the bundles, the broker, ingest, and one of
# the sensors on this machine, made so by its bundle on the boot partition. Its counts are on the page, and the other 199 can log in.
# shellcheck shell=bash

radios 2
monitor wlan1 6
inject wlan1 60000 100 02:00:5e:00:00:01 02:00:5e:00:00:02 >inject.log 2>&1 &
air=$!
find / -xdev -name '*airtally*' -not -path '/proc/*' -not -path "$PWD/*" | sort >before

begun=$SECONDS
install_package
note "installed after $((SECONDS - begun)) s"
{
    echo 'name,site,label,location'
    for number in $(seq 200); do echo "pi-$number,shop-$((number % 20)),Sensor $number,"; done
} >list.csv
printf '%s\n' '[radio]' 'interface = "wlan0"' 'channels = "1,6,11"' '[window]' 'length = "2s"' >common.toml
holds "provision" "$airtally" provision --sensors list.csv --out fleet --broker localhost --config common.toml
equal "bundles" 200 "$(find fleet/bundles -name '*.bundle' | wc -l)"
equal "files that others may read" "" "$(find fleet -type f -perm /077 -exec echo {} +)"
note "bundles after $((SECONDS - begun)) s"

install -m 644 -t /etc/mosquitto/conf.d fleet/broker/airtally.conf
install -g mosquitto -m 640 -t /etc/mosquitto fleet/broker/airtally.acl fleet/broker/airtally.passwd
install -g mosquitto -m 640 -t /etc/mosquitto fleet/broker/airtally-*
systemctl restart mosquitto
wait_for 20 listens 8883

install -m 644 fleet/ca.pem /etc/airtally/ca.pem
status=0
"$airtally" setup --role ingest --broker localhost --ca-file /etc/airtally/ca.pem --user ingest-1 \
    --password-file fleet/ingest/password --yes >ingest-setup.log 2>&1 || status=$?
sed 's/^/     /' ingest-setup.log
equal "setup of ingest" 0 "$status"

# As a card that was prepared on a desk: the bundle lies on the boot partition.
mkdir -p /boot/firmware
cp fleet/bundles/shop-7/pi-7.bundle /boot/firmware/airtally.bundle
rm -f /etc/airtally/sensor.toml
systemctl start airtally-bundle || true
journalctl -u airtally-bundle --no-pager -q -o cat | sed 's/^/     /'
holds "the bundle is gone from the boot partition" test ! -e /boot/firmware/airtally.bundle
holds "the sensor is active" wait_for 60 systemctl is-active airtally-sensor

counts() {
    python3 - <<'END_OF_PYTHON'
import json, urllib.request
answer = json.load(urllib.request.urlopen("http://127.0.0.1:8780/api/v1/windows?site=shop-7&sensor=pi-7"))
print(sum(row["frames"] for row in next(value for value in answer.values() if isinstance(value, list))))
END_OF_PYTHON
}
some_counts() { [ "$(counts)" -gt 0 ]; }
holds "its counts are on the page" wait_for 120 some_counts
some_counts || journalctl -u airtally-sensor -u airtally-ingest --no-pager -q -n 30 -o cat | sed 's/^/     /'
note "frames on the page: $(counts)"
most "seconds from the bare system to counts of the fleet on the page" 600 "$((SECONDS - begun))"

# Another of the two hundred writes its own topics, and not this one's.
password=$(sed -n 's/^password = "\(.*\)"$/\1/p' fleet/bundles/shop-8/pi-8.bundle)
publish() {
    mosquitto_pub -V 5 -h localhost -p 8883 --cafile fleet/ca.pem -u shop-8/pi-8 -P "$password" -q 1 -d -t "$1" -m x 2>&1
}
publish airtally/shop-8/pi-8/event >own.log || true
publish airtally/shop-7/pi-7/event >other.log || true
holds "its own topic is taken" grep -Eq 'PUBACK.*RC:(0|16)\)' own.log
holds "another's topic is refused" grep -q 'RC:135' other.log

kill $air
wait $air 2>/dev/null || true
dpkg --purge airtally >>apt.log 2>&1
systemctl stop mosquitto
rm -rf /etc/mosquitto/airtally* /etc/mosquitto/conf.d/airtally.conf
find / -xdev -name '*airtally*' -not -path '/proc/*' -not -path "$PWD/*" | sort >after
equal "files after purging" "" "$(comm -13 before after | xargs)"
