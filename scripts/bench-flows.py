#!/usr/bin/env python3
"""Writes a capture of TCP and UDP conversations over Ethernet: bench-flows.py PACKETS CONVERSATIONS FILE."""
import random
import struct
import sys


def packet(conversation: int, back: bool, draw: random.Random) -> bytes:
    """One packet of a conversation, in one of its two directions."""
    tcp = conversation % 3 != 0
    ends = [(0x0A000000 + conversation % 5000, 32768 + conversation % 28000), (0xC0A80000 + conversation % 300, 443 if tcp else 53)]
    (src, sport), (dst, dport) = reversed(ends) if back else ends
    payload = bytes(draw.randrange(1, 1200))
    if tcp:
        body = struct.pack(">HHIIHHHH", sport, dport, 1, 1, 0x5018, 65535, 0, 0) + payload
    else:
        body = struct.pack(">HHHH", sport, dport, len(payload) + 8, 0) + payload
    header = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(body), 0, 0, 64, 6 if tcp else 17, 0, src, dst)
    return b"\2" * 12 + b"\x08\x00" + header + body


def main() -> None:
    count, conversations, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    draw = random.Random(1)
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number in range(count):
            # A few conversations have most of the packets.
            conversation = int(conversations * draw.random() ** 3)
            data = packet(conversation, draw.random() < 0.4, draw)
            # Kept as a sensor would: the first 128 octets.
            kept = data[:128]
            out.write(struct.pack("<IIII", 1700000000 + number // 5000, number % 5000 * 200, len(kept), len(data)) + kept)


if __name__ == "__main__":
    main()
