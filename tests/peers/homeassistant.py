"""A real Home Assistant beside airtally: it lists the entities, follows them, and all of it survives restarts.

    tests/peers/homeassistant.py HASS AIRTALLY

HASS is Home Assistant's program, AIRTALLY ours. Run by scripts/test-peers, as root: the sensor listens to an interface made
for it. Everything else is in a temporary folder and on free ports of the loopback. Ends with 'N passed, N failed'.
"""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HASS, AIRTALLY = sys.argv[1:]
FOLDER = tempfile.mkdtemp(prefix="airtally-homeassistant-")
PHONE, STRANGER = "02:00:5e:00:53:01", "da:a1:19:00:53:02"
LINK = ("atpeer0", "atpeer1")
SENSORS = ["stations", "access_points", "randomised_addresses", "frames_a_second_listened", "time_listened",
           "messages_waiting", "newest_window", "state"]
running, results = {}, []


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


BROKER, WEB = free_port(), free_port()
CLIENT = f"http://127.0.0.1:{WEB}/"


def start(name, *command):
    log = open(f"{FOLDER}/{name}.log", "ab")
    running[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def stop(name, how=signal.SIGTERM):
    process = running.pop(name)
    process.send_signal(how)
    process.wait(60)


def until(what, look, patience=120):
    """Waits until `look` is true, notes the result, and says it."""
    end, found = time.monotonic() + patience, None
    while time.monotonic() < end:
        try:
            found = look()
        except (OSError, urllib.error.URLError, KeyError, ValueError) as error:
            found = None
            why = error
        else:
            why = found
        if found:
            break
        time.sleep(1)
    results.append(bool(found))
    print(f"{'ok  ' if found else 'FAIL'} {what}" + ("" if found else f" (last: {why!r})"), flush=True)
    return found


def write(name, text):
    os.makedirs(os.path.dirname(f"{FOLDER}/{name}"), exist_ok=True)
    with open(f"{FOLDER}/{name}", "w") as file:
        file.write(text)


def ask(path, body=None, form=None, token=None):
    data = json.dumps(body).encode() if body is not None else urllib.parse.urlencode(form).encode() if form else None
    headers = {"Content-Type": "application/json"} if body is not None else {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with urllib.request.urlopen(urllib.request.Request(CLIENT + path, data, headers), timeout=10) as answer:
        return json.load(answer)


def log_in():
    flow = ask("auth/login_flow", {"client_id": CLIENT, "handler": ["homeassistant", None], "redirect_uri": CLIENT})
    done = ask(f"auth/login_flow/{flow['flow_id']}", {"client_id": CLIENT, "username": "tester", "password": "testerpass"})
    form = {"grant_type": "authorization_code", "code": done["result"], "client_id": CLIENT}
    return ask("auth/token", form=form)["access_token"]


def states():
    return {one["entity_id"]: one for one in ask("api/states", token=TOKEN)}


def ours():
    return {name: one["state"] for name, one in states().items() if "airtally" in name or "phone" in name}


def kept(topic):
    """What the broker keeps on `topic`: its topics and payloads."""
    command = ["mosquitto_sub", "-p", str(BROKER), "-t", topic, "-W", "2", "-v", "--retained-only"]
    lines = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(" ", 1) for line in lines)


def start_hass():
    start("hass", HASS, "-c", f"{FOLDER}/hass", "--skip-pip" if os.path.exists(f"{FOLDER}/again") else "--verbose")
    write("again", "")


def start_sensor():
    start("sensor", AIRTALLY, "sensor", "--config", f"{FOLDER}/sensor.toml")


def start_ingest():
    start("ingest", AIRTALLY, "ingest", "--config", f"{FOLDER}/ingest.toml")


def start_broker():
    start("mosquitto", shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", f"{FOLDER}/mosquitto.conf")


def configure(devices):
    write("sensor.toml", f"""
site = "home"
sensor = "attic"
label = "Attic"
location = "Attic"
[source]
kind = "interface"
interface = "{LINK[0]}"
[window]
length = "2s"
[clock]
marker = "{FOLDER}/again"
[mqtt]
host = "127.0.0.1"
port = {BROKER}
max_backoff = "1s"
[spool]
runtime_dir = "{FOLDER}/run"
state_dir = "{FOLDER}/state"
{devices}
""")


def prepare():
    subprocess.run(["ip", "link", "del", LINK[0]], capture_output=True)
    subprocess.run(["ip", "link", "add", LINK[0], "type", "veth", "peer", "name", LINK[1]], check=True)
    for name in LINK:
        subprocess.run(["ip", "link", "set", name, "addrgenmode", "none", "up"], check=True)
    pcap = struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, address in enumerate([PHONE, STRANGER, STRANGER, "00:16:3e:00:53:03"]):
        frame = b"\xff" * 6 + bytes.fromhex(address.replace(":", "")) + b"\x88\xb5" + bytes(46)
        pcap += struct.pack("<IIII", 0, number * 50000, len(frame), len(frame)) + frame
    with open(f"{FOLDER}/air.pcap", "wb") as file:
        file.write(pcap)
    write("mosquitto.conf", f"""listener {BROKER} 127.0.0.1
allow_anonymous true
user root
persistence true
persistence_location {FOLDER}/
""")
    configure(f'[[devices]]\nname = "Oma\'s phone"\naddress = "{PHONE}"\npresence = true')
    write("ingest.toml", f"""
name = "ingest-1"
[mqtt]
host = "127.0.0.1"
port = {BROKER}
max_backoff = "1s"
[spool]
state_dir = "{FOLDER}/ingest"
[sqlite]
path = "{FOLDER}/ingest/history.sqlite"
[web]
enabled = false
[home_assistant]
enabled = true
away_after = "1m"
""")
    write("hass/configuration.yaml", f"""homeassistant:
  name: test
  time_zone: Europe/Berlin
http:
  server_host: 127.0.0.1
  server_port: {WEB}
api:
logger:
  default: warning
""")
    message = {"topic": "homeassistant/status", "qos": 0, "retain": False}
    write("hass/.storage/core.config_entries", json.dumps({
        "version": 1, "minor_version": 3, "key": "core.config_entries", "data": {"entries": [{
            "created_at": "2026-01-01T00:00:00+00:00", "modified_at": "2026-01-01T00:00:00+00:00",
            "data": {"broker": "127.0.0.1", "port": BROKER, "protocol": "5"}, "disabled_by": None,
            "discovery_keys": {}, "domain": "mqtt", "entry_id": "0" * 31 + "1", "minor_version": 2,
            "options": {"discovery": True, "discovery_prefix": "homeassistant",
                        "birth_message": message | {"payload": "online"}, "will_message": message | {"payload": "offline"}},
            "pref_disable_new_entities": False, "pref_disable_polling": False, "source": "user", "title": "127.0.0.1",
            "unique_id": None, "version": 1}]}}))
    subprocess.run([HASS, "--script", "auth", "-c", f"{FOLDER}/hass", "add", "tester", "testerpass"], check=True,
                   capture_output=True)


def play():
    """Frames on the air of the sensor, four a fifth of a second, until stopped."""
    start("air", "tcpreplay", "--quiet", "--loop", "0", "--pps", "20", "--intf1", LINK[1], f"{FOLDER}/air.pcap")


def token():
    global TOKEN
    try:
        TOKEN = log_in()
    except (OSError, urllib.error.URLError, KeyError):
        return None
    return TOKEN


def run():
    prepare()
    start_broker()
    time.sleep(1)
    play()
    start_sensor()
    start_ingest()
    start_hass()
    until("Home Assistant answers", token, 300)
    version = ask("api/config", token=TOKEN)["version"]
    print(f"     Home Assistant {version}, {subprocess.run([AIRTALLY, '--version'], capture_output=True, text=True).stdout.strip()}")
    until("every entity of the sensor is there, with a value or none",
          lambda: all(f"sensor.attic_{name}" in states() for name in SENSORS) and states())
    until("stations are those of the window", lambda: states()["sensor.attic_stations"]["state"] == "3")
    until("two of three are randomised", lambda: states()["sensor.attic_randomised_addresses"]["state"] == "66.7")
    until("what is not known has no value",
          lambda: states()["sensor.attic_time_listened"]["state"] == "unknown")
    until("the newest window has a time",
          lambda: time.time() - time.mktime(time.strptime(states()["sensor.attic_newest_window"]["state"][:19], "%Y-%m-%dT%H:%M:%S"))
          < 86400)
    until("the sensor is online, without a problem", lambda: (states()["sensor.attic_state"]["state"],
          states()["binary_sensor.attic_problem"]["state"]) == ("online", "off"))

    def tracker():
        return next((one for name, one in states().items() if name.startswith("device_tracker.")), {})
    until("one's own device is at home", lambda: tracker().get("state") == "home")
    until("it has its owner's name", lambda: "Oma's phone" in tracker()["attributes"]["friendly_name"])
    everything = json.dumps([kept("homeassistant/#"), kept("airtally/+/+/summary")])
    until("no address is in a topic or message",
          lambda: not any(one.replace(":", sep) in everything.lower() for one in (PHONE, STRANGER) for sep in (":", "", "-", "_")))
    until("a device has 15 entities at most", lambda: all(
        len(json.loads(one)["components"]) <= 15 for one in kept("homeassistant/#").values()))

    stop("air")
    until("frames stop: one's own device is away", lambda: tracker().get("state") == "not_home", 150)
    play()
    until("and at home again", lambda: tracker().get("state") == "home")

    stop("sensor", signal.SIGKILL)
    until("the sensor is killed: everything is unavailable",
          lambda: (found := ours()) and set(found.values()) == {"unavailable"}, 120)
    start_sensor()
    until("it is back: everything has its value", lambda: states()["sensor.attic_stations"]["state"] == "3"
          and tracker().get("state") == "home")
    stop("ingest", signal.SIGKILL)
    until("ingest is killed: everything is unavailable", lambda: set(ours().values()) == {"unavailable"}, 120)
    start_ingest()
    until("it is back", lambda: states()["sensor.attic_stations"]["state"] == "3" and tracker().get("state") == "home")
    before = sorted(states())
    stop("hass")
    start_hass()
    until("Home Assistant is started again", token, 300)
    until("with the same entities", lambda: sorted(name for name in states() if name in before) == before and
          states()["sensor.attic_stations"]["state"] == "3")
    stop("mosquitto", signal.SIGKILL)
    for name in os.listdir(FOLDER):
        if name.endswith(".db"):
            os.remove(f"{FOLDER}/{name}")
    start_broker()
    until("a broker that has forgotten everything is told again",
          lambda: len(kept("homeassistant/#")) == 2 and states()["sensor.attic_stations"]["state"] == "3")

    stop("sensor")
    configure("")
    start_sensor()
    until("a device that is not listed any more is taken away", lambda: len(kept("homeassistant/#")) == 1 and not tracker())
    stop("sensor")
    subprocess.run(["mosquitto_pub", "-p", str(BROKER), "-t", "airtally/home/attic/status", "-r", "-n"], check=True)
    until("so is a sensor whose status somebody removed", lambda: not kept("homeassistant/#") and not kept("airtally/+/+/summary")
          and not ours())
    with open(f"{FOLDER}/hass.log") as log:
        complaints = [line for line in log if "mqtt" in line.lower() and ("ERROR" in line or "WARNING" in line)
                      and ("airtally" in line or "template" in line.lower())]
    until("Home Assistant's log complains of nothing of ours", lambda: not complaints or print(complaints), 1)


TOKEN = None
try:
    run()
finally:
    for name in list(running):
        stop(name, signal.SIGKILL)
    subprocess.run(["ip", "link", "del", LINK[0]], capture_output=True)
    if results and all(results):
        shutil.rmtree(FOLDER)
    else:
        print(f"logs are in {FOLDER}")
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if results and all(results) else 1)
