// The client's side of a session that can be resumed: what to send, what to keep, what counts; and what a close means.
//
// Guarantees the client's duties of docs/protocol.md, section 5, so that `finals` are those of an undisturbed run.
// Knows no page, no socket and no clock: a shell brings what is said and heard, and sends what `takeMessages` gives.

export const MAX_KEPT_BYTES = 16 << 20;

export class Speaker {
  finals = [];
  fragments = new Map();  // by utterance: what was heard of it so far
  sessionId = "";
  cursor = "";
  attempt = 0;
  limits = null;

  #start;
  #kept = [];  // { type: "audio_chunk", sequence, data }, from the newest cursor's keep_from on
  #keptBytes = 0;
  #maxKeptBytes;
  #nextSequence = 1;
  #flushes = [];  // without their answer yet: { id, after }, the chunk each follows
  #hasStopped = false;
  #maySpeak = false;
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

  // Whether everything up to `stop` is answered.
  get isComplete() {
    return this.finals.at(-1)?.last === true;
  }

  // What the application says.

  // The next chunk, a Uint8Array that nobody changes any more; it has a number of its own, and keeps it.
  speak(data) {
    const chunk = { type: "audio_chunk", sequence: this.#nextSequence++, data };
    this.#kept.push(chunk);
    this.#keptBytes += data.length;
    this.#say(chunk);
  }

  flush(id) {
    this.#flushes.push({ id, after: this.#nextSequence - 1 });
    this.#say({ type: "flush", id });
  }

  stop() {
    this.#hasStopped = true;
    this.#say({ type: "stop" });
  }

  // What becomes of connections.

  // A new connection stands; of the one before nothing is read any more.
  connected() {
    this.#maySpeak = !this.cursor;
    if (this.cursor) {
      const again = { type: "start", resume: { cursor: this.cursor, attempt: ++this.attempt } };
      if (this.#start.token) again.token = this.#start.token;
      this.#messages = [again];
    } else {
      // There is no session yet that could be resumed: all of it begins anew.
      this.#messages = [{ type: "start", ...this.#start }, ...this.#replay(1)];
    }
  }

  // The connection is gone, and what was not sent yet will be sent on the next.
  lost() {
    this.#maySpeak = false;
    this.#messages = [];
  }

  // Take in what the server says on the newest connection.
  receive(message) {
    if (message.type === "started") this.#begin(message);
    if (message.type === "partial") this.#hear(message);
    if (message.type === "final") this.#conclude(message);
    if (message.type === "flushed") this.#settle(message.id);
    if (message.type === "final" || message.type === "ack") this.#keep(message.cursor, message.keep_from);
  }

  // What is to be sent now, in order.
  takeMessages() {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  #say(message) {
    if (this.#maySpeak) this.#messages.push(message);
  }

  #begin({ session_id, next_sequence, next_index, cursor, limits }) {
    this.sessionId = session_id;
    this.limits = limits;
    for (const index of [...this.fragments.keys()]) if (index >= next_index) this.fragments.delete(index);
    this.#keep(cursor, next_sequence);
    if (this.#maySpeak) return;
    this.#maySpeak = true;
    this.#messages.push(...this.#replay(next_sequence));
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
    if (!cursor) return;
    this.cursor = cursor;
    const first = this.#kept.findIndex(({ sequence }) => sequence >= keepFrom);
    const done = this.#kept.splice(0, first < 0 ? this.#kept.length : first);
    for (const { data } of done) this.#keptBytes -= data.length;
  }

  // The oldest flush of this name is answered.
  #settle(id) {
    const nth = this.#flushes.findIndex((flush) => flush.id === id);
    if (nth >= 0) this.#flushes.splice(nth, 1);
  }

  #hear({ index, text }) {
    if (index < this.finals.length) return;
    const before = this.#start.partials === "cumulative" ? "" : this.fragments.get(index) ?? "";
    this.fragments.set(index, before + text);
  }

  // Keep a final once: a replay may tell it again.
  #conclude(final) {
    this.fragments.delete(final.index);
    if (final.index === this.finals.length) this.finals.push(final);
  }
}

// What to do when a connection has ended; docs/protocol.md, section 6.

const WAITS_MS = [10, 50, 250, 500, 1000, 2000, 5000];
const OVER = new Map([
  [1000, "The server ended the session."],
  [1002, "The server could not read what was sent."],
  [1003, "The server could not read what was sent."],
  [1007, "The server could not read what was sent."],
  [1008, "The server refused what was sent."],
  [1009, "A message was too big for the server."],
  [1012, "The server restarted and could not hand the session over. Start a new one."],
  [4001, "The server wants to know who you are."],
  [4003, "The server does not allow this."],
  [4004, "The session cannot be resumed any more. Start a new one."],
  [4008, "The session was idle or open for too long. Start a new one."],
  [4010, "The session goes on in another connection."],
  [4108, "The audio came faster than the server allows."],
]);

// Why a close with this code is the end of the session; undefined where it is worth another try.
export function finality(code) {
  return OVER.get(code);
}

// How long to wait before try number `tries` (from 0) after a close with this code. `retryAfterMs` is what the server
// asked for, `random` from 0 to 1 keeps a crowd from coming back all at once.
export function waitMs(code, tries, retryAfterMs, random) {
  if (code === 4201 && tries === 0) return 0;
  if (code === 1013 && retryAfterMs !== undefined) return retryAfterMs * (1 + random / 4);
  return WAITS_MS[Math.min(tries, WAITS_MS.length - 1)] * (0.5 + random / 2);
}
