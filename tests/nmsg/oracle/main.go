// An NMSG reader and writer that is not ours: Debian's golang-github-farsightsec-go-nmsg-dev, for the tests to compare with.
//
//	oracle read FILE                                    a line a payload on standard output, statistics on standard error
//	oracle write FILE COUNT LEAST MOST MTU ZLIB SEQ     packets of LEAST to MOST octets and as many connections
//	oracle count FILE                                   as read, and each message is decoded; their number alone
//	oracle listen ADDR:PORT SECONDS                     as read, of datagrams, until none has come for SECONDS; the count alone
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"

	"bufio"

	"github.com/farsightsec/go-nmsg"
	"github.com/farsightsec/go-nmsg/nmsg_base"
	"google.golang.org/protobuf/proto"
)

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	fail(err)
	return n
}

func line(out io.Writer, p *nmsg.NmsgPayload) {
	fmt.Fprintf(out, "%d %d %d %d %d %d %d %x\n", p.GetVid(), p.GetMsgtype(), p.GetTimeSec(), p.GetTimeNsec(),
		p.GetSource(), p.GetOperator(), p.GetGroup(), p.GetPayload())
}

func read(in io.Reader, each func(*nmsg.NmsgPayload)) {
	input := nmsg.NewInput(in, 1<<20)
	for {
		payload, err := input.Recv()
		if err != nil && nmsg.IsDataError(err) {
			fmt.Fprintln(os.Stderr, "data error:", err)
			continue
		}
		if err != nil {
			break
		}
		each(payload)
	}
	stats := input.Stats()
	fmt.Fprintf(os.Stderr, "containers %d lost %d fragments %d\n", stats.InputContainers, stats.LostContainers,
		stats.InputFragments)
}

func write(name string, count, least, most, mtu int, zlib, sequence bool) {
	file, err := os.Create(name)
	fail(err)
	output := nmsg.BufferedOutput(file)
	output.SetMaxSize(mtu, mtu)
	output.SetCompression(zlib)
	output.SetSequenced(sequence)
	for i := 0; i < count; i++ {
		octets := make([]byte, least+i%(most-least+1))
		for at := range octets {
			octets[at] = byte(at*i + at>>3)
		}
		packet := &nmsg_base.Packet{PayloadType: nmsg_base.PacketType_IP.Enum(), Payload: octets}
		conn := &nmsg_base.IPConn{
			Proto: proto.Uint32(uint32(i % 256)), Srcip: []byte{10, 0, byte(i >> 8), byte(i)},
			Srcport: proto.Uint32(uint32(i % 65536)), Dstip: make([]byte, 16), Dstport: proto.Uint32(80),
		}
		for _, message := range []nmsg.Message{packet, conn} {
			payload, err := nmsg.Payload(message)
			fail(err)
			payload.TimeSec, payload.TimeNsec = proto.Int64(int64(i)), proto.Uint32(uint32(i))
			if i%3 == 0 {
				payload.SetSource(uint32(i))
				payload.SetOperator(7)
				payload.SetGroup(9)
			}
			line(os.Stdout, payload)
			fail(output.Send(payload))
		}
	}
	fail(output.Close())
	fail(file.Close())
}

// Datagrams as a stream, as far as the library's reader is concerned. The statistics come when no more do.
type quiet struct {
	conn *net.UDPConn
	wait time.Duration
}

func (q quiet) Read(buffer []byte) (int, error) {
	fail(q.conn.SetReadDeadline(time.Now().Add(q.wait)))
	len, err := q.conn.Read(buffer)
	if err != nil {
		return 0, io.EOF
	}
	return len, nil
}

func main() {
	switch os.Args[1] {
	case "read":
		file, err := os.Open(os.Args[2])
		fail(err)
		out := bufio.NewWriter(os.Stdout)
		read(file, func(p *nmsg.NmsgPayload) { line(out, p) })
		fail(out.Flush())
	case "count":
		file, err := os.Open(os.Args[2])
		fail(err)
		count := 0
		read(file, func(p *nmsg.NmsgPayload) {
			_, err := p.Message()
			fail(err)
			count++
		})
		fmt.Println(count)
	case "write":
		a := os.Args
		write(a[2], number(a[3]), number(a[4]), number(a[5]), number(a[6]), a[7] == "1", a[8] == "1")
	case "listen":
		address, err := net.ResolveUDPAddr("udp", os.Args[2])
		fail(err)
		conn, err := net.ListenUDP("udp", address)
		fail(err)
		_ = conn.SetReadBuffer(8 << 20)
		count := 0
		read(quiet{conn, time.Duration(number(os.Args[3])) * time.Second}, func(*nmsg.NmsgPayload) { count++ })
		fmt.Println(count)
	default:
		fail(fmt.Errorf("read, count, write or listen"))
	}
}
