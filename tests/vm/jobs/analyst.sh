# limit: 600
# An analyst, from the package: a person without rights looks into a capture, with no configuration, daemon or network.
# shellcheck shell=bash

radios 2
monitor wlan0 6
monitor wlan1 6
witness wlan0
note "$(inject wlan1 500 200 02:00:5e:00:00:01 02:00:5e:00:00:02 02:00:5e:00:00:03)"
sleep 2
end_witness wlan0

begun=$SECONDS
install_package
useradd --create-home analyst
cp witness-wlan0.pcap /home/analyst/air.pcap
chmod 644 /home/analyst/air.pcap
as_analyst() { (cd /home/analyst && setpriv --reuid analyst --regid analyst --clear-groups env -i HOME=/home/analyst PATH=/usr/bin "$@"); }
as_analyst airtally inspect air.pcap >table.txt
note "the first answer after $((SECONDS - begun)) s"
sed 's/^/     /' table.txt
as_analyst airtally inspect --format json air.pcap >answer.json
equal "frames, beside tcpdump" "$(heard wlan0)" "$(jq .frames answer.json)"
for station in 1 2 3; do
    equal "frames of station $station" "$(heard wlan0 "wlan addr2 02:00:5e:00:00:0$station")" \
        "$(jq "[.stations[] | select(.mac == \"02:00:5e:00:00:0$station\") | .frames_sent] | add" answer.json)"
done
holds "the manual has examples" grep -q 'airtally inspect' <(zcat /usr/share/man/man1/airtally-inspect.1.gz)
most "seconds from the bare system to the first answer" 600 "$((SECONDS - begun))"
equal "files that it wrote" "air.pcap" "$(ls /home/analyst)"
dpkg --purge airtally >>apt.log 2>&1
userdel --remove analyst 2>/dev/null
