// The client's side of a session that can be resumed: what to send, what to keep, what counts; and what a close means.
//
// Guarantees the client's duties of docs/protocol.md, Resuming, so that `finals` are those of an undisturbed run.
// Knows no page, no socket and no clock: a shell brings what is said and heard, and sends what `takeMessages` gives.

export const MAX_KEPT_BYTES = 16 << 20;
const AROUND_BYTES = 80;  // Of a message beside its audio, where that is text.
const SAMPLE_BYTES = { pcm_s16le: 2, pcm_f32le: 4, mulaw: 1, alaw: 1 };

export class Speaker {
  finals = [];
  fragments = new Map();  // by utterance: what was heard of it so far
  sessionId = "";
  cursor = "";
  attempt = 0;
  limits = null;

  #start;
  #kept = [];  // { type: "audio_chunk", sequence, data }, from the newest cursor's keep_from on
  #unsaid = [];  // not cut into chunks yet: audio, and flushes as { id }
  #keptBytes = 0;
  #maxKeptBytes;
  #nextSequence = 1;
  #flushes = [];  // without their answer yet: { id, after }, the chunk each follows
  #hasStopped = false;
  #longestBytes = 0;  // a chunk's, from this connection's `started` on; before it nothing is said
  #isGreeted = false;
  #begunAt = -1;
  #newestHeard = -1;
  #messages = [];

  // `start` holds the fields of the first connection's `start`; later ones send its token again, and no more of it.
  constructor(start = {}, maxKeptBytes = MAX_KEPT_BYTES) {
    this.#start = start;
    this.#maxKeptBytes = maxKeptBytes;
  }

  // Whether as much is kept as may be: time to wait for the server, or to give up.
  get isFull() {
    return this.#keptBytes >= this.#maxKeptBytes;
  }

  // Whether this connection's server allows only shorter chunks than those that it would have to be told again. Then
  // nothing more is said to it.
  get isStuck() {
    return this.#isGreeted && !this.#longestBytes;
  }

  // Whether everything up to `stop` is answered.
  get isComplete() {
    return this.finals.at(-1)?.last === true;
  }

  // Whether an answer is due that must come whatever the audio is: `started`, `flushed` or the last final.
  get isPromised() {
    return !this.isComplete && (this.#hasStopped || this.#flushes.length > 0 || !this.#isGreeted);
  }

  // A new session for what this one, which cannot go on, leaves unanswered: its audio, its flushes, its end.
  successor() {
    const next = new Speaker(this.#start, this.#maxKeptBytes);
    next.#begunAt = Infinity;  // Beginning anew moves nobody on.
    const last = this.finals.at(-1);
    const done = last && !last.cursor ? last.sequence : 0;  // A session's last words bring no cursor.
    for (const { type, sequence, data, id } of this.#replay(done + 1)) {
      if (type === "audio_chunk" && sequence > done) next.speak(data);
      if (type === "flush") next.flush(id);
    }
    for (const said of this.#unsaid) said instanceof Uint8Array ? next.speak(said) : next.flush(said.id);
    if (this.#hasStopped) next.stop();
    return next;
  }

  // What the application says.

  // The next piece of audio, a Uint8Array of any length that nobody changes any more.
  speak(data) {
    this.#unsaid.push(data);
    this.#keptBytes += data.length;
    this.#sayUnsaid();
  }

  flush(id) {
    this.#unsaid.push({ id });
    this.#sayUnsaid();
  }

  stop() {
    this.#hasStopped = true;
    if (this.#longestBytes) this.#messages.push({ type: "stop" });
  }

  // What becomes of connections.

  // A new connection stands; of the one before nothing is read any more.
  connected() {
    this.#isGreeted = false;
    if (this.cursor) {
      const again = { type: "start", resume: { cursor: this.cursor, attempt: ++this.attempt } };
      if (this.#start.token) again.token = this.#start.token;
      this.#messages = [again];
    } else {
      // There is no session yet that could be resumed: all of it begins anew.
      this.#unsay();
      this.#messages = [{ type: "start", ...this.#start }];
    }
  }

  // The connection is gone, and what was not sent yet will be sent on the next.
  lost() {
    this.#isGreeted = false;
    this.#longestBytes = 0;
    this.#messages = [];
  }

  // Take in what the server says on the newest connection; whether the session has moved on by it.
  //
  // It has by what no connection brought before: a later beginning, a mark, a final, the answer to a flush, or a
  // partial of a later chunk. A server that only repeats itself gets nobody further.
  receive(message) {
    switch (message.type) {
      case "started": return this.#begin(message);
      case "partial": return this.#hear(message);
      case "final": return this.#conclude(message);
      case "ack": return this.#keep(message.cursor, message.keep_from);
      case "flushed": return this.#settle(message.id);
      default: return false;
    }
  }

  // What is to be sent now, in order.
  takeMessages() {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  // Cut and number what the application has said, where it is known how.
  #sayUnsaid() {
    while (this.#unsaid.length && this.#longestBytes) {
      const said = this.#unsaid.shift();
      if (said instanceof Uint8Array) this.#sayAudio(said);
      else {
        this.#flushes.push({ id: said.id, after: this.#nextSequence - 1 });
        this.#messages.push({ type: "flush", id: said.id });
      }
    }
  }

  #sayAudio(data) {
    for (let at = 0; at < data.length; at += this.#longestBytes) {
      const piece = data.subarray(at, at + this.#longestBytes);
      const chunk = { type: "audio_chunk", sequence: this.#nextSequence++, data: piece };
      this.#kept.push(chunk);
      this.#messages.push(chunk);
    }
  }

  // No number holds any more.
  #unsay() {
    const again = this.#replay(1).filter(({ type }) => type !== "stop");
    this.#unsaid.unshift(...again.map(({ data, id }) => data ?? { id }));
    this.#kept = [];
    this.#flushes = [];
    this.#nextSequence = 1;
  }

  #begin(started) {
    const { session_id, next_sequence, next_index, cursor, limits } = started;
    const isFurther = next_sequence > this.#begunAt;
    this.#isGreeted = true;
    this.#begunAt = Math.max(this.#begunAt, next_sequence);
    this.sessionId = session_id;
    this.limits = limits;
    for (const index of [...this.fragments.keys()]) if (index >= next_index) this.fragments.delete(index);
    this.#keep(cursor, next_sequence);
    if (!this.#longestBytes) this.#goOn(started);
    return isFurther;
  }

  // Say again what the server wants to hear, then the rest; nothing where a chunk of it is too long for it.
  #goOn(started) {
    const longestBytes = longestChunkBytes(started, this.#start.channels ?? 1);
    if (!longestBytes || this.#kept.some(({ data }) => data.length > longestBytes)) return;
    this.#longestBytes = longestBytes;
    this.#sayUnsaid();
    this.#messages = this.#replay(started.next_sequence);  // With what has only now been cut.
  }

  // Everything from this chunk on again, each unanswered flush behind the chunk it followed.
  #replay(nextSequence) {
    const messages = [];
    const flushes = [...this.#flushes];
    const flushUpTo = (sequence) => {
      while (flushes.length && flushes[0].after <= sequence) messages.push({ type: "flush", id: flushes.shift().id });
    };
    flushUpTo(nextSequence - 1);
    for (const chunk of this.#kept) {
      messages.push(chunk);
      flushUpTo(chunk.sequence);
    }
    if (this.#hasStopped) messages.push({ type: "stop" });
    return messages;
  }

  // All before `keepFrom` is done with. Some finals bring no cursor: nothing goes on from there.
  #keep(cursor, keepFrom) {
    if (!cursor) return false;
    const isNew = cursor !== this.cursor;
    this.cursor = cursor;
    const first = this.#kept.findIndex(({ sequence }) => sequence >= keepFrom);
    const done = this.#kept.splice(0, first < 0 ? this.#kept.length : first);
    for (const { data } of done) this.#keptBytes -= data.length;
    return isNew;
  }

  // The oldest flush of this name is answered; one that nobody asked, or that is answered, is nothing.
  #settle(id) {
    const nth = this.#flushes.findIndex((flush) => flush.id === id);
    if (nth >= 0) this.#flushes.splice(nth, 1);
    return nth >= 0;
  }

  #hear({ index, text, sequence }) {
    if (index < this.finals.length) return false;
    const before = this.#start.partials === "cumulative" ? "" : this.fragments.get(index) ?? "";
    this.fragments.set(index, before + text);
    const isNewer = sequence > this.#newestHeard;
    this.#newestHeard = Math.max(this.#newestHeard, sequence);
    return isNewer;
  }

  // Keep a final once: a replay may tell it again. One before which others are missing is not taken at all.
  #conclude(final) {
    const due = this.finals.length;
    if (final.index > due) return false;
    this.fragments.delete(final.index);
    this.#keep(final.cursor, final.keep_from);
    if (final.index < due) return false;
    this.finals.push(final);
    return true;
  }
}

// How long a chunk of audio in the session's format may be: `max_chunk_ms` of it, that fit into `max_message_bytes`
// also as base64.
function longestChunkBytes({ encoding, sample_rate, limits }, channels) {
  const bytesPerS = (SAMPLE_BYTES[encoding] ?? 2) * sample_rate * channels;
  const byTime = Math.floor((bytesPerS * limits.max_chunk_ms) / 1000);
  const bySize = Math.floor((limits.max_message_bytes - AROUND_BYTES) / 4) * 3;
  return Math.max(0, Math.min(byTime, bySize));
}

// What to do when a connection has ended; docs/protocol.md, section "Close codes".

const WAITS_MS = [10, 50, 250, 500, 1000, 2000, 5000];
const ANEW_MS = 1000;
const OVER = new Map([
  [1000, "The server ended the session."],
  [1002, "The server could not read what was sent."],
  [1003, "The server could not read what was sent."],
  [1007, "The server could not read what was sent."],
  [1008, "The server refused what was sent."],
  [1009, "A message was too big for the server."],
  [4001, "The server wants to know who you are."],
  [4003, "The server does not allow this."],
  [4008, "The session was idle or open for too long. Start a new one."],
  [4010, "The session goes on in another connection."],
]);
const ANEW = new Set([1012, 4004]);
const TOO_FAST = 4108;
const RESUMED = new Set([TOO_FAST, 4201, 4208]);

// Why a close with this code is the end; undefined where it is worth another try.
export function finality(code) {
  const isUnknown = code >= 4000 && !ANEW.has(code) && !RESUMED.has(code);
  return OVER.get(code) ?? (isUnknown ? `The server ended the session with code ${code}.` : undefined);
}

// Whether this session is over with a close of this code, and a new one may go on with what it left unanswered.
export function beginsAnew(code) {
  return ANEW.has(code);
}

// How long to wait before try number `tries` (from 0) after a close with this code. `retryAfterMs` is what the server
// asked for, `random` from 0 to 1 keeps a crowd from coming back all at once.
export function waitMs(code, tries, retryAfterMs, random) {
  if (code === 4201 && tries === 0) return 0;
  if (code === 1013 && retryAfterMs !== undefined) return retryAfterMs * (1 + random / 4);
  // Whoever is ahead of time has to let it pass: all audio that is kept is said again at once.
  const nth = code === TOO_FAST ? Infinity : tries;
  const longestMs = WAITS_MS[Math.min(nth, WAITS_MS.length - 1)];
  if (beginsAnew(code)) return Math.max(longestMs, ANEW_MS) * random;
  return longestMs * (0.5 + random / 2);
}
