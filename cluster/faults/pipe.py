"""One direction of one connection: frames in, a decision each, one heap of what is under way, and the writer at its end.

The rules it keeps:
- What is read is read only as fast as it can be kept: a full heap or a sink that takes nothing stops the source's reading.
- A delay costs no bandwidth: any number of frames are under way at once, up to HELD_BYTES_MAX.
- A stream never reorders and never loses, whatever rules follow one another. A cut hides the end of a connection too.
"""

from collections import deque
from heapq import heapify, heappop, heappush

from quorate.cluster.faults.ends import Sink, Source
from quorate.cluster.faults.fault import Fault, damaged, slices, tears_at
from quorate.cluster.faults.framing import Frame
from quorate.cluster.faults.link import Link
from quorate.cluster.faults.parcels import Parcel
from quorate.cluster.faults.timing import Cancellable, Timing
from quorate.protocols.simulation.lane import LOST, Lane
from quorate.protocols.simulation.policy import link_key

HELD_BYTES_MAX = 32 << 20
"""Under way on one direction of one connection, at which reading stops: 320 MB/s at 100 ms. One frame more may be in it."""
HELD_FRAMES_MAX = 100_000
"""The same for many small ones: each costs some hundred bytes more than it is long."""
LINE_RETRY_NS = 5_000_000
"""A stream whose line is full asks again so soon; its source waits meanwhile."""


class Pipe:
    def __init__(self, link: Link, timing: Timing, source: Source, sink: Sink) -> None:
        self.link = link
        self._timing = timing
        self._source, self._sink = source, sink
        self._input: deque[Frame] = deque()
        """Read and not judged: a stream's line is full."""
        self._heap: list[tuple[int, int, Parcel]] = []
        self._held: deque[Frame] = deque()
        """A stream's, behind a cut."""
        self._pieces: deque[tuple[int, bytes]] = deque()
        """Of frames that leave in slices: (when, what)."""
        self._order = 0
        self._last_due_ns = 0
        self._newest = -1
        self._timer: Cancellable | None = None
        self._timer_ns = 0
        self._retry: Cancellable | None = None
        self._ends: list[Cancellable] = []
        """Timers of a reset or a close that a fault demands."""
        self._passed_bytes = 0
        self._stopped_reading = False
        self._lost_of_stream = False
        self._finishing = self._closed = self._sink_is_gone = False
        self.identity: object = None
        """Whose messages these are (storages and incarnation); None until the welcome."""
        self.lost_handshake = False
        """Somebody waits for an answer that will not come."""
        self.queued_bytes = 0
        self._connection = link.connections
        link.connections += 1
        link.pipes.append(self)
        self.fault: Fault
        self._lane: Lane
        self._take_fault()
        self._arm_ends()

    # What the link tells.

    def _take_fault(self) -> None:
        link = self.link
        self.fault = link.fault_of_connection(self._connection)
        # A connection that suffers alone counts its own frames.
        alone = self.fault is not link.fault
        self._lane = Lane(link_key(link.seed, *link.pair) ^ self._connection, self.fault.rule) if alone else link.lane
        self._is_told = not self.fault.is_none
        """Decisions on a faultless link are counted, not told: they would push what matters out of the ring."""

    def changed(self) -> None:
        """The link has another fault."""
        was_stream = self.fault.rule.stream
        self._take_fault()
        if was_stream:
            self._hurry()
        self._arm_ends()
        self._passed_bytes = 0
        if self._sink_is_gone and not self.fault.half_open:
            self._shut()
            self._source.reset()
            return
        if self._lost_of_stream and not self.fault.black_hole:
            self._lost_of_stream = False
            self.break_off("bytes were lost in a black hole")
            return
        if self.fault.half_open:
            self._sink.reset()
        if self._held and not self.fault.rule.cut:
            now_ns = self._timing.now_ns()
            while self._held:
                self._push(now_ns, now_ns + self._lane.release(now_ns), 0, self._held.popleft())
        self._pump()
        self._finish_if_done()

    def _hurry(self) -> None:
        """What a stream has under way is not held up by a rule that has ended, or all that follows would wait behind it."""
        latest_ns = self._timing.now_ns() + self.fault.rule.delay_ns
        self._heap = sorted((min(due_ns, latest_ns), order, parcel) for due_ns, order, parcel in self._heap)
        self._last_due_ns = self._heap[-1][0] if self._heap else 0
        if self.fault.slicer is None:
            self._pieces = deque((0, piece) for _, piece in self._pieces)

    def _arm_ends(self) -> None:
        for timer in self._ends:
            timer.cancel()
        self._ends = []
        now_ns = self._timing.now_ns()
        if (after_ns := self.fault.reset_after_ns) is not None:
            self._ends.append(self._timing.call_at(now_ns + after_ns, lambda: self.break_off("a fault resets it")))
        if (after_ns := self.fault.close_after_ns) is not None:
            self._ends.append(self._timing.call_at(now_ns + after_ns, self._close_both))

    # What the ends tell.

    def put(self, frames: list[Frame]) -> None:
        for frame in frames:
            self.link.count(frame)
            self.queued_bytes += len(frame.data)
        self._input.extend(frames)
        self._pump()

    def resumed(self) -> None:
        """The sink takes more."""
        self._flush()

    def source_ended(self) -> None:
        """Nothing more will be read: the sink is told once it has everything, unless a cut hides that too."""
        self._finishing = True
        self._finish_if_done()

    def sink_ended(self) -> None:
        """Nobody is there to write to any more."""
        self._sink_is_gone = True
        if not self._closed:
            self._leave_behind()
            if not self.fault.half_open:
                self._shut()

    def adopt(self) -> None:
        """This connection is open: what was under way on an earlier one of the same two arrives here."""
        counts = self.link.counts
        parcels, lost = self.link.orphans.claim(self.identity, self._timing.now_ns())
        counts.dropped += lost
        counts.carried_over += len(parcels)
        for parcel in parcels:
            self.queued_bytes += len(parcel.data)
            self._enter(parcel)
        self._flush()

    # Judging.

    def _pump(self) -> None:
        now_ns = self._timing.now_ns()
        while self._input:
            frame = self._input[0]
            if not self._judge(now_ns, frame):
                if self._retry is None:
                    self._retry = self._timing.call_at(now_ns + LINE_RETRY_NS, self._try_again)
                break
            self._input.popleft()
        self._flush()

    def _try_again(self) -> None:
        self._retry = None
        self._pump()

    def _judge(self, now_ns: int, frame: Frame) -> bool:
        """False if the frame has to wait before the line."""
        fault, lane, link = self.fault, self._lane, self.link
        stream = fault.rule.stream
        if self._closed:
            self._drop(frame)
            return True
        if fault.black_hole or fault.half_open:
            self._lost_of_stream = self._lost_of_stream or stream
            link.tell_decision(lane.frames, frame, "dropped", LOST)
            self._drop(frame)
            return True
        if stream and self._held:
            self._hold(frame)
            return True
        number = lane.frames
        fate = lane.put(now_ns, frame.kind, frame.term, len(frame.data))
        if stream and not fate.held and not fate.delays_ns:
            lane.frames = number
            return False
        if self._is_told:
            link.tell_decision(number, frame, "held" if fate.held else "passed" if fate.delays_ns else "dropped", fate)
        if fate.held:
            self._hold(frame)
        elif fate.delays_ns:
            self._send(now_ns, number, frame, fate.delays_ns, fate.corrupt)
        else:
            self._drop(frame)
        return True

    def _hold(self, frame: Frame) -> None:
        self.link.counts.held += 1
        self._held.append(frame)
        if frame.seen is not None:
            frame.seen.held = True

    def _drop(self, frame: Frame) -> None:
        if frame.seen is not None:
            frame.seen.copies = 0
        self.lost_handshake = self.lost_handshake or frame.handshake is not None
        self.link.counts.dropped += 1
        self.queued_bytes -= len(frame.data)

    def _send(self, now_ns: int, number: int, frame: Frame, delays_ns: tuple[int, ...], corrupt: bool) -> None:
        fault, key, counts = self.fault, self._lane.key, self.link.counts
        data, torn = frame.data, False
        if frame.handshake is not None:
            delays_ns = delays_ns[:1]
        else:
            if corrupt:
                counts.corrupted += 1
                data = damaged(key, number, data, frame.payload_size, header=fault.rule.corrupt_header)
            if tear := tears_at(key, number, fault, len(data)):
                data, torn = data[:tear], True
        if frame.seen is not None:
            frame.seen.copies, frame.seen.corrupted = len(delays_ns), corrupt and frame.handshake is None
        self.queued_bytes += len(data) * len(delays_ns) - len(frame.data)
        counts.duplicated += len(delays_ns) - 1
        for delay_ns in delays_ns:
            self._enter(Parcel(number, frame, data, now_ns, now_ns + delay_ns, torn))

    def _push(self, now_ns: int, due_ns: int, number: int, frame: Frame) -> None:
        self._enter(Parcel(number, frame, frame.data, now_ns, due_ns))

    def _enter(self, parcel: Parcel) -> None:
        due_ns = parcel.due_ns
        if self.fault.rule.stream:
            due_ns = self._last_due_ns = max(due_ns, self._last_due_ns)
        self._order += 1
        heappush(self._heap, (due_ns, self._order, parcel))

    # Writing.

    def _flush(self) -> None:
        """Write what is due, as far as the sink takes it; wake again for the rest."""
        now_ns = self._timing.now_ns()
        out: list[bytes] = []
        while not self._closed:
            self._write_pieces(now_ns, out)
            heap = self._heap
            if self._pieces or not heap or heap[0][0] > now_ns:
                break
            if not self._sink.writable:
                self._sink.want()
                if not self._sink.writable:
                    break
            if not self._deliver(heappop(heap)[2], now_ns, out):
                return
        if out:
            self._sink.write(b"".join(out) if len(out) > 1 else out[0])
        self._wake_for_the_next(now_ns)
        self._mind_the_source()
        if self._finishing:
            self._finish_if_done()

    def _deliver(self, parcel: Parcel, now_ns: int, out: list[bytes]) -> bool:
        """False if the connection ends with it."""
        counts, fault, data = self.link.counts, self.fault, parcel.data
        self.queued_bytes -= len(data)
        counts.delivered += 1
        counts.intended_ns += parcel.due_ns - parcel.put_ns
        counts.actual_ns += now_ns - parcel.put_ns
        counts.late_ns_max = max(counts.late_ns_max, now_ns - parcel.due_ns)
        counts.inverted += parcel.number < self._newest
        self._newest = max(self._newest, parcel.number)
        if fault.close_after_bytes is not None and self._passed_bytes + len(data) > fault.close_after_bytes:
            out.append(data[: max(0, fault.close_after_bytes - self._passed_bytes)])
            self._sink.write(b"".join(out))
            parcel.lose()
            self._close_both()
            return False
        self._passed_bytes += len(data)
        if parcel.torn:
            out.append(data)
            counts.torn += 1
            parcel.lose()
            self._sink.write(b"".join(out))
            self.break_off("a frame was torn")
            return False
        if (seen := parcel.frame.seen) is not None:
            seen.arrivals_ns += (now_ns,)
        if fault.slicer is None:
            out.append(data)
            return True
        at_ns = now_ns
        for piece in slices(self._lane.key, parcel.number, fault.slicer, data):
            self._pieces.append((at_ns, piece))
            self.queued_bytes += len(piece)
            at_ns += fault.slicer.delay_ns
        return True

    def _write_pieces(self, now_ns: int, out: list[bytes]) -> None:
        """Each piece in a write of its own: what the other side reads is what was cut."""
        while self._pieces and self._pieces[0][0] <= now_ns and self._sink.writable:
            if out:
                self._sink.write(b"".join(out))
                out.clear()
            piece = self._pieces.popleft()[1]
            self.queued_bytes -= len(piece)
            self._sink.write(piece)

    def _wake_for_the_next(self, now_ns: int) -> None:
        due_ns = self._pieces[0][0] if self._pieces else self._heap[0][0] if self._heap else 0
        if due_ns <= now_ns or self._closed:
            return  # nothing waits, or the sink will tell when it takes more
        if self._timer is not None:
            if self._timer_ns <= due_ns:
                return
            self._timer.cancel()
        self._timer_ns = due_ns
        self._timer = self._timing.call_at(due_ns, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._flush()

    @property
    def queued_frames(self) -> int:
        return len(self._input) + len(self._heap) + len(self._held)

    def _mind_the_source(self) -> None:
        """Stop reading what could not be kept, and go on at half of it. What nobody takes is not read either."""
        most = HELD_BYTES_MAX // 2 if self._stopped_reading else HELD_BYTES_MAX
        frames = HELD_FRAMES_MAX // 2 if self._stopped_reading else HELD_FRAMES_MAX
        blocked = bool(self._heap) and not self._sink.writable and self._heap[0][0] <= self._timing.now_ns()
        stop = not self._closed and (self.queued_bytes > most or self.queued_frames > frames or bool(self._input) or blocked)
        if stop != self._stopped_reading:
            self._stopped_reading = stop
            self._source.hold(stop)

    # Ending.

    def _finish_if_done(self) -> None:
        if not self._finishing or self._closed or self.fault.passes_nothing:
            return
        if not self.fault.rule.stream and self.identity is not None:
            # What is due is only held up by a slow reader, who still gets it.
            self._leave_behind(due_after_ns=self._timing.now_ns())
        if self._heap or self._input or self._held or self._pieces:
            return
        self._shut()
        if self.fault.slow_close_ns:
            self._timing.call_at(self._timing.now_ns() + self.fault.slow_close_ns, self._sink.close)
        else:
            self._sink.close()

    def _leave_behind(self, *, due_after_ns: int = -1) -> None:
        """Frames under way outlive their connection where the link carries messages, and are lost with it where it is a stream."""
        leaving = [parcel for due_ns, _, parcel in sorted(self._heap) if due_ns > due_after_ns]
        self._heap = [each for each in self._heap if each[0] <= due_after_ns]
        heapify(self._heap)
        self.queued_bytes -= sum(len(parcel.data) for parcel in leaving)
        outlive = not self.fault.rule.stream and not self.fault.half_open and self.identity is not None
        if not outlive:
            for parcel in leaving:
                parcel.lose()
        self.link.counts.dropped += self.link.orphans.leave(self.identity, leaving) if outlive else len(leaving)

    def break_off(self, because: str) -> None:
        """Reset both sides."""
        self.link.counts.resets += 1
        self.link.events.tell("reset", link=self.link.name, because=because)
        self._sink.reset()
        self._source.reset()

    def _close_both(self) -> None:
        self.link.events.tell("closed", link=self.link.name, because="a fault closes it")
        self._sink.close()
        self._source.close()

    def _shut(self) -> None:
        """No more work. What is still read goes nowhere."""
        self._closed = True
        for timer in (self._timer, self._retry, *self._ends):
            if timer is not None:
                timer.cancel()
        self._timer = self._retry = None
        self._ends = []
        for frame in (*self._input, *self._held):
            self._drop(frame)
        self._input.clear()
        self._held.clear()
        self._pieces.clear()
        if self in self.link.pipes:
            self.link.pipes.remove(self)
        self._mind_the_source()
