"""Puts beacons on the air through a monitor interface.

    inject.py INTERFACE FRAMES PER_SECOND [MAC...]

The transmitters take turns; each frame carries its transmitter as TA and BSSID. Prints what went out, in which time.
Frames go out in bursts of ten milliseconds: an emulated machine wakes no more finely than that.
"""

import socket
import struct
import sys
import time

# Radiotap without fields: version, pad, length, no present bits.
RADIOTAP = struct.pack("<BBHI", 0, 0, 8, 0)
# A management frame, subtype beacon, to everybody (IEEE 802.11-2020, 9.3.3.2).
FRAME_CONTROL = struct.pack("<HH", 0x0080, 0)
BROADCAST = b"\xff" * 6
# Timestamp, interval of 100 TU, capability ESS; network name "vm-injected", rates 1 to 11 Mbit/s.
BODY = struct.pack("<QHH", 0, 100, 1) + b"\x00\x0bvm-injected" + b"\x01\x04\x82\x84\x8b\x96"


def main():
    interface, frames, rate = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    macs = [bytes.fromhex(mac.replace(":", "")) for mac in sys.argv[4:] or ["02:00:5e:00:00:01"]]
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    start = time.monotonic()
    for n in range(frames):
        ahead = start + n / rate - time.monotonic()
        if ahead > 0.01:
            time.sleep(ahead)
        mac = macs[n % len(macs)]
        sequence = struct.pack("<H", n % 4096 << 4)
        packet = RADIOTAP + FRAME_CONTROL + BROADCAST + mac + mac + sequence + BODY
        while True:
            try:
                out.send(packet)
                break
            except OSError as error:
                if error.errno != 105:  # ENOBUFS: the radio's queue is full
                    raise
                time.sleep(0.002)
    seconds = time.monotonic() - start
    print(f"{frames} frames in {seconds:.1f} s ({frames / max(seconds, 1e-9):.0f} a second)")


main()
