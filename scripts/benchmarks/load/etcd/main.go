// Load generator for etcd on its own client, clientv3 (Debian's golang-etcd-server-dev). Closed loops.
//
//	etcdload ENDPOINTS     one request a line on standard input:
//	  fill                                           write every key once
//	  write|read IN_FLIGHT WARM_S SECONDS            prints @start, @end and one JSON row
//	  failover WRITERS KILL_AT_S SECONDS TIMELINE    prints @kill and a JSON row; the times (us) of successful writes go to TIMELINE
//
// A read is etcd's linearizable Get. Loop i uses connection i%C, at most eight of them; connection j talks to endpoint j%n only,
// except in a failover, where every connection knows all endpoints and clientv3's own balancer picks.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io/ioutil"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
	"google.golang.org/grpc/grpclog"
)

const (
	keys            = 10000
	connectionsMax  = 8
	fillers         = 64
	failoverTimeout = 5 * time.Second
	probeEvery      = 10 * time.Millisecond
	pauseOnError    = 10 * time.Millisecond
)

var value = strings.Repeat("v", 100)

func key(i int) string { return fmt.Sprintf("key-%08d", i) }

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

func dial(endpoints []string, count int, every bool) []*clientv3.Client {
	clients := make([]*clientv3.Client, count)
	for i := range clients {
		known := []string{endpoints[i%len(endpoints)]}
		if every {
			known = endpoints
		}
		client, err := clientv3.New(clientv3.Config{Endpoints: known, DialTimeout: 5 * time.Second})
		if err != nil {
			fail(err)
		}
		clients[i] = client
	}
	return clients
}

func hangUp(clients []*clientv3.Client) {
	for _, client := range clients {
		client.Close()
	}
}

func row(fields map[string]interface{}) {
	text, _ := json.Marshal(fields)
	fmt.Println(string(text))
}

func fill(endpoints []string) {
	clients := dial(endpoints, connectionsMax, false)
	defer hangUp(clients)
	var loops sync.WaitGroup
	var next int64 = -1
	for w := 0; w < fillers; w++ {
		loops.Add(1)
		go func(client *clientv3.Client) {
			defer loops.Done()
			for i := int(atomic.AddInt64(&next, 1)); i < keys; i = int(atomic.AddInt64(&next, 1)) {
				if _, err := client.Put(context.Background(), key(i), value); err != nil {
					fail(err)
				}
			}
		}(clients[w%len(clients)])
	}
	loops.Wait()
	row(map[string]interface{}{"filled": keys})
}

func measure(endpoints []string, op string, inFlight int, warm, seconds float64) {
	connections := inFlight
	if connections > connectionsMax {
		connections = connectionsMax
	}
	clients := dial(endpoints, connections, false)
	defer hangUp(clients)
	var on, stop int32
	var errors int64
	latencies := make([][]float64, inFlight)
	var loops sync.WaitGroup
	for w := 0; w < inFlight; w++ {
		loops.Add(1)
		go func(w int) {
			defer loops.Done()
			random := rand.New(rand.NewSource(time.Now().UnixNano() + int64(w)))
			client, mine := clients[w%connections], make([]float64, 0, 1<<14)
			for atomic.LoadInt32(&stop) == 0 {
				k, begun := key(random.Intn(keys)), time.Now()
				var err error
				if op == "write" {
					_, err = client.Put(context.Background(), k, value)
				} else {
					_, err = client.Get(context.Background(), k)
				}
				took := time.Since(begun)
				if atomic.LoadInt32(&on) == 0 {
					continue
				}
				if err != nil {
					atomic.AddInt64(&errors, 1)
				} else {
					mine = append(mine, float64(took)/1e6)
				}
			}
			latencies[w] = mine
		}(w)
	}
	time.Sleep(time.Duration(warm * 1e9))
	fmt.Println("@start")
	atomic.StoreInt32(&on, 1)
	begun := time.Now()
	time.Sleep(time.Duration(seconds * 1e9))
	atomic.StoreInt32(&on, 0)
	elapsed := time.Since(begun).Seconds()
	fmt.Println("@end")
	atomic.StoreInt32(&stop, 1)
	loops.Wait()
	var all []float64
	for _, mine := range latencies {
		all = append(all, mine...)
	}
	sort.Float64s(all)
	result := map[string]interface{}{"errors": errors, "ops_per_s": float64(len(all)) / elapsed}
	if n := len(all); n > 0 {
		result["p50_ms"], result["p99_ms"], result["max_ms"] = all[n/2], all[n*99/100], all[n-1]
	}
	row(result)
}

func failover(endpoints []string, writers int, killAt, seconds float64, path string) {
	file, err := os.Create(path)
	if err != nil {
		fail(err)
	}
	out := bufio.NewWriter(file)
	clients := dial(endpoints, 6, true)
	defer hangUp(clients)
	var lock sync.Mutex
	errors := 0
	write := func(i, k int) bool {
		ctx, cancel := context.WithTimeout(context.Background(), failoverTimeout)
		_, err := clients[i%len(clients)].Put(ctx, key(k%keys), value)
		cancel()
		now := time.Now().UnixNano() / 1000
		lock.Lock()
		defer lock.Unlock()
		if err != nil {
			errors++
		} else {
			fmt.Fprintln(out, now)
		}
		return err == nil
	}
	begun := time.Now()
	end := begun.Add(time.Duration(seconds * 1e9))
	var loops sync.WaitGroup
	for w := 0; w < writers; w++ {
		loops.Add(1)
		go func(w int) {
			defer loops.Done()
			random := rand.New(rand.NewSource(int64(w)))
			for time.Now().Before(end) {
				if !write(w, random.Int()) {
					time.Sleep(pauseOnError)
				}
			}
		}(w)
	}
	killed := false
	for i := 0; time.Now().Before(end); i++ { // an open loop: one probe every 10 ms, whatever became of the last
		if !killed && time.Since(begun).Seconds() > killAt {
			killed = true
			fmt.Println("@kill")
		}
		loops.Add(1)
		go func(i int) { defer loops.Done(); write(i, i*7919) }(i)
		time.Sleep(probeEvery)
	}
	loops.Wait()
	out.Flush()
	file.Close()
	row(map[string]interface{}{"errors": errors})
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: etcdload ENDPOINTS, requests on standard input"))
	}
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(ioutil.Discard, ioutil.Discard, ioutil.Discard))
	endpoints := strings.Split(os.Args[1], ",")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) == 1 && words[0] == "fill":
			fill(endpoints)
		case len(words) == 4 && (words[0] == "write" || words[0] == "read"):
			measure(endpoints, words[0], int(number(words[1])), number(words[2]), number(words[3]))
		case len(words) == 5 && words[0] == "failover":
			failover(endpoints, int(number(words[1])), number(words[2]), number(words[3]), words[4])
		default:
			fail(fmt.Errorf("not a request: %q", lines.Text()))
		}
	}
}
