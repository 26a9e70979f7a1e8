// Load generator for Redis, speaking its protocol (RESP) directly: at most eight pipelined connections, closed loops.
//
//	redisload ENDPOINT     one request a line on standard input:
//	  fill                                           write every key once
//	  write|read IN_FLIGHT WARM_S SECONDS            prints @start, @end and one JSON row
//
// All requests go to the primary. A write is answered once the primary has it; replicas follow later.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	keys           = 10000
	connectionsMax = 8
)

var value = strings.Repeat("v", 100)

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func number(word string) float64 {
	n, err := strconv.ParseFloat(word, 64)
	if err != nil {
		fail(err)
	}
	return n
}

func request(op string, k int) string {
	if op == "read" {
		return fmt.Sprintf("*2\r\n$3\r\nGET\r\n$12\r\nkey-%08d\r\n", k)
	}
	return fmt.Sprintf("*3\r\n$3\r\nSET\r\n$12\r\nkey-%08d\r\n$%d\r\n%s\r\n", k, len(value), value)
}

// reply reads one simple string, error, or bulk string; ok is false for an error or a missing key.
func reply(in *bufio.Reader) (ok bool) {
	line, err := in.ReadString('\n')
	if err != nil {
		fail(err)
	}
	if line[0] != '$' {
		return line[0] == '+'
	}
	size := int(number(strings.TrimSpace(line[1:])))
	if size < 0 {
		return false
	}
	if _, err := io.CopyN(io.Discard, in, int64(size)+2); err != nil {
		fail(err)
	}
	return true
}

type phase struct{ on, stop int32 }

// connection keeps `depth` requests in flight: each reply that is read sends the next request, flushed once nothing more is waiting.
func connection(endpoint, op string, depth int, phase *phase, seed int64) (latencies []float64, errors int) {
	socket, err := net.Dial("tcp", endpoint)
	if err != nil {
		fail(err)
	}
	defer socket.Close()
	in, out := bufio.NewReaderSize(socket, 1<<16), bufio.NewWriterSize(socket, 1<<16)
	random := rand.New(rand.NewSource(seed))
	begun := make([]time.Time, 0, depth)
	for i := 0; i < depth; i++ {
		out.WriteString(request(op, random.Intn(keys)))
		begun = append(begun, time.Now())
	}
	out.Flush()
	for oldest, waiting := 0, depth; waiting > 0; oldest = (oldest + 1) % depth { // replies come in the order of the requests
		ok, took := reply(in), time.Since(begun[oldest])
		if atomic.LoadInt32(&phase.on) == 1 {
			if ok {
				latencies = append(latencies, float64(took)/1e6)
			} else {
				errors++
			}
		}
		if atomic.LoadInt32(&phase.stop) == 1 {
			waiting--
		} else {
			out.WriteString(request(op, random.Intn(keys)))
			begun[oldest] = time.Now()
		}
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
	return latencies, errors
}

func measure(endpoint, op string, inFlight int, warm, seconds float64) {
	connections := inFlight
	if connections > connectionsMax {
		connections = connectionsMax
	}
	var state phase
	var loops sync.WaitGroup
	var lock sync.Mutex
	var all []float64
	errors := 0
	for c := 0; c < connections; c++ {
		loops.Add(1)
		go func(c int) {
			defer loops.Done()
			depth := inFlight/connections + map[bool]int{true: 1}[c < inFlight%connections]
			mine, wrong := connection(endpoint, op, depth, &state, time.Now().UnixNano()+int64(c))
			lock.Lock()
			defer lock.Unlock()
			all, errors = append(all, mine...), errors+wrong
		}(c)
	}
	time.Sleep(time.Duration(warm * 1e9))
	fmt.Println("@start")
	atomic.StoreInt32(&state.on, 1)
	begun := time.Now()
	time.Sleep(time.Duration(seconds * 1e9))
	atomic.StoreInt32(&state.on, 0)
	elapsed := time.Since(begun).Seconds()
	fmt.Println("@end")
	atomic.StoreInt32(&state.stop, 1)
	loops.Wait()
	sort.Float64s(all)
	result := map[string]interface{}{"errors": errors, "ops_per_s": float64(len(all)) / elapsed}
	if n := len(all); n > 0 {
		result["p50_ms"], result["p99_ms"], result["max_ms"] = all[n/2], all[n*99/100], all[n-1]
	}
	row(result)
}

func fill(endpoint string) {
	socket, err := net.Dial("tcp", endpoint)
	if err != nil {
		fail(err)
	}
	defer socket.Close()
	in := bufio.NewReader(socket)
	for i := 0; i < keys; i++ {
		if _, err := io.WriteString(socket, request("write", i)); err != nil {
			fail(err)
		}
		if !reply(in) {
			fail(fmt.Errorf("key %d was refused", i))
		}
	}
	row(map[string]interface{}{"filled": keys})
}

func row(fields map[string]interface{}) {
	text, _ := json.Marshal(fields)
	fmt.Println(string(text))
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: redisload ENDPOINT, requests on standard input"))
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 1 && words[0] == "fill":
			fill(os.Args[1])
		case len(words) == 4 && (words[0] == "write" || words[0] == "read"):
			measure(os.Args[1], words[0], int(number(words[1])), number(words[2]), number(words[3]))
		default:
			fail(fmt.Errorf("not a request: %q", lines.Text()))
		}
	}
}
