// Load generator for ZooKeeper on its own asynchronous Java client. Closed loops.
//
//   java ZkLoad SERVERS     one request a line on standard input, all in this one JVM, whose compiled code so stays warm:
//     fill                                           create every key
//     write|read IN_FLIGHT WARM_S SECONDS            prints @start, @end and one JSON row
//     failover WRITERS KILL_AT_S SECONDS TIMELINE    prints @kill and a JSON row; the times (us) of successful writes go to TIMELINE
//
// A read is sync followed by getData on the same session, which is ZooKeeper's linearizable read. At most eight sessions; session j is
// connected to server j%n only, except in a failover, where each session knows all servers and reconnects by itself.
import java.io.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import org.apache.zookeeper.*;

public class ZkLoad {
    static final int KEYS = 10000, SESSIONS_MAX = 8, FAILOVER_SESSIONS = 6, FILLERS = 64;
    static final int SESSION_TIMEOUT_MS = 30000, PROBE_EVERY_MS = 10, PAUSE_ON_ERROR_MS = 10;
    static final byte[] VALUE = new byte[100];
    static String[] servers;

    static String key(int i) { return String.format("/bench/key-%08d", i); }

    static ZooKeeper open(String server) throws Exception {
        CountDownLatch connected = new CountDownLatch(1);
        ZooKeeper session = new ZooKeeper(server, SESSION_TIMEOUT_MS, event -> {
            if (event.getState() == Watcher.Event.KeeperState.SyncConnected) connected.countDown();
        });
        if (!connected.await(30, TimeUnit.SECONDS)) throw new IOException("no connection to " + server);
        return session;
    }

    static ZooKeeper[] open(int count) throws Exception {
        ZooKeeper[] sessions = new ZooKeeper[count];
        for (int i = 0; i < count; i++) sessions[i] = open(servers[i % servers.length]);
        return sessions;
    }

    static void print(String format, Object... values) { System.out.printf(Locale.ROOT, format + "%n", values); System.out.flush(); }

    static void fill() throws Exception {
        ZooKeeper session = open(servers[0]);
        try { session.create("/bench", VALUE, ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT); } catch (KeeperException.NodeExistsException e) { }
        CountDownLatch left = new CountDownLatch(KEYS); Semaphore room = new Semaphore(FILLERS); AtomicInteger errors = new AtomicInteger();
        for (int i = 0; i < KEYS; i++) {
            room.acquire();
            session.create(key(i), VALUE, ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT, (rc, path, context, name) -> {
                if (rc != 0 && rc != KeeperException.Code.NODEEXISTS.intValue()) errors.incrementAndGet();
                room.release(); left.countDown();
            }, null);
        }
        left.await(60, TimeUnit.SECONDS);
        session.close();
        if (errors.get() > 0 || left.getCount() > 0) throw new IOException(errors + " keys refused, " + left.getCount() + " unanswered");
        print("{\"filled\": %d}", KEYS);
    }

    /** What the loops of one measurement share. */
    static final class Phase {
        volatile boolean on, stop;
        final AtomicInteger live = new AtomicInteger();
        final AtomicLong errors = new AtomicLong();
    }

    /** Latencies in nanoseconds of one session; its callbacks run on its one event thread. */
    static final class Latencies {
        long[] values = new long[1 << 16]; int count;
        void add(long value) { if (count == values.length) values = Arrays.copyOf(values, count * 2); values[count++] = value; }
    }

    static final class Loop {
        final ZooKeeper session; final Latencies latencies; final boolean writes; final Phase phase;
        final Random random = new Random();
        long begun;
        Loop(ZooKeeper session, Latencies latencies, boolean writes, Phase phase) {
            this.session = session; this.latencies = latencies; this.writes = writes; this.phase = phase;
        }
        void next() {
            if (phase.stop) { phase.live.decrementAndGet(); return; }
            String k = key(random.nextInt(KEYS));
            begun = System.nanoTime();
            if (writes) { session.setData(k, VALUE, -1, (rc, path, context, stat) -> done(rc), null); return; }
            // Sent back to back on one session, which keeps their order.
            session.sync(k, (rc, path, context) -> { if (rc != 0) phase.errors.incrementAndGet(); }, null);
            session.getData(k, false, (rc, path, context, data, stat) -> done(rc), null);
        }
        void done(int rc) {
            if (phase.on) { if (rc == 0) latencies.add(System.nanoTime() - begun); else phase.errors.incrementAndGet(); }
            next();
        }
    }

    static void measure(boolean writes, int inFlight, double warm, double seconds) throws Exception {
        Phase phase = new Phase();
        ZooKeeper[] sessions = open(Math.min(inFlight, SESSIONS_MAX));
        Latencies[] latencies = new Latencies[sessions.length];
        for (int i = 0; i < latencies.length; i++) latencies[i] = new Latencies();
        phase.live.set(inFlight);
        for (int i = 0; i < inFlight; i++) new Loop(sessions[i % sessions.length], latencies[i % sessions.length], writes, phase).next();
        Thread.sleep((long) (warm * 1000));
        print("@start");
        phase.on = true;
        long begun = System.nanoTime();
        Thread.sleep((long) (seconds * 1000));
        phase.on = false;
        double elapsed = (System.nanoTime() - begun) / 1e9;
        print("@end");
        phase.stop = true;
        for (int i = 0; i < 1000 && phase.live.get() > 0; i++) Thread.sleep(10);
        long[] all = Arrays.stream(latencies).flatMapToLong(l -> Arrays.stream(l.values, 0, l.count)).sorted().toArray();
        int n = all.length;
        for (ZooKeeper session : sessions) session.close();
        if (n == 0) print("{\"errors\": %d, \"ops_per_s\": 0.0}", phase.errors.get());
        else print("{\"errors\": %d, \"ops_per_s\": %.1f, \"p50_ms\": %.4f, \"p99_ms\": %.4f, \"max_ms\": %.3f}",
            phase.errors.get(), n / elapsed, all[n / 2] / 1e6, all[(int) (n * 0.99)] / 1e6, all[n - 1] / 1e6);
    }

    /** Writers and probes that go on through a failover and note the time of each success. */
    static final class Failover {
        final ZooKeeper[] sessions = open(FAILOVER_SESSIONS);
        final ScheduledExecutorService pause = Executors.newScheduledThreadPool(1);
        final PrintWriter timeline;
        volatile boolean stop;
        long errors;

        Failover(String path) throws Exception {
            timeline = new PrintWriter(new BufferedWriter(new FileWriter(path)));
            for (ZooKeeper session : sessions) session.updateServerList(String.join(",", servers)); // first its own, then any
        }
        synchronized void note(int rc) {
            java.time.Instant now = java.time.Instant.now();
            if (rc == 0) timeline.println(now.getEpochSecond() * 1000000L + now.getNano() / 1000); else errors++;
        }
        void loop(int session, Random random) {
            if (stop) return;
            sessions[session].setData(key(random.nextInt(KEYS)), VALUE, -1, (rc, path, context, stat) -> {
                note(rc);
                if (rc == 0) loop(session, random);
                else if (!stop) pause.schedule(() -> loop(session, random), PAUSE_ON_ERROR_MS, TimeUnit.MILLISECONDS);
            }, null);
        }
        void run(int writers, double killAt, double seconds) throws Exception {
            for (int w = 0; w < writers; w++) loop(w % sessions.length, new Random(w));
            long begun = System.nanoTime(); boolean killed = false;
            for (int i = 0; System.nanoTime() - begun < seconds * 1e9; i++) { // an open loop: one probe every 10 ms
                if (!killed && System.nanoTime() - begun > killAt * 1e9) { killed = true; print("@kill"); }
                sessions[i % sessions.length].setData(key((i * 7919) % KEYS), VALUE, -1, (rc, path, context, stat) -> note(rc), null);
                Thread.sleep(PROBE_EVERY_MS);
            }
            stop = true;
            Thread.sleep(1000); // requests in flight come home
            pause.shutdownNow();
            for (ZooKeeper session : sessions) session.close();
            synchronized (this) { timeline.close(); print("{\"errors\": %d}", errors); }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Arrays.fill(VALUE, (byte) 'v');
        servers = arguments[0].split(",");
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = requests.readLine()) != null; ) {
            String[] w = line.trim().split(" +");
            switch (w[0]) {
                case "fill": fill(); break;
                case "write": case "read":
                    measure(w[0].equals("write"), Integer.parseInt(w[1]), Double.parseDouble(w[2]), Double.parseDouble(w[3])); break;
                case "failover": new Failover(w[4]).run(Integer.parseInt(w[1]), Double.parseDouble(w[2]), Double.parseDouble(w[3])); break;
                default: throw new IllegalArgumentException("not a request: " + line);
            }
        }
        System.exit(0);
    }
}
