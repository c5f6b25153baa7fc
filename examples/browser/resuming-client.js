// One session with an earful server over as many WebSockets as it takes.
//
// Guarantees that a lost connection costs no word as long as a server answers again within the session's
// resume_window_s, and that every wait ends. Tells "change" after everything it hears and whenever `state` changes.
// A session that cannot go on (1012, 4004) is followed by a new one, with all audio that has no answer yet.
//
// A worker that is frozen with its connection open is noticed only by its silence, after `quietMs`. A program pings it
// and knows in seconds; a page cannot: browsers offer no ping, and the protocol has nothing in its place that is free
// of effects. `keepalive` has no answer, `flush` would cut the utterance that may be open, and whatever else is answered
// is answered with an error, which the server counts. HAProxy, which looks, ends such connections within 3 s.

import { Speaker, beginsAnew, finality, waitMs } from "./speaker.js";

const CONNECT_WITHIN_MS = 10_000;  // As long as the server waits for it.
const QUIET_MS = 35_000;  // A server that has audio says something sooner: a mark every 10 s, a model's error in 30 s.
const MOST_DOUBLINGS = 2;  // One that reads nothing for now is well, and closes by itself after 120 s.
const STEADY_MS = 10_000;  // A connection that stood for so long, and had answered everything, was a good one.
const WINDOW_S = 120;  // Until the server says what its resume_window_s is.

export class ResumingClient extends EventTarget {
  state = "connecting";  // then "live" and "lost" in turns; at last "finished" or "ended"
  reason = "";  // of being lost or ended, in words for people; the server's own where it said any
  drops = 0;

  #url;
  #speaker;
  #socket = null;
  #quietMs;
  #past = [];  // finals of the sessions before this one
  #tries = 0;
  #vainTries = 0;  // connections in a row that were given up for their silence
  #outageAt = performance.now();  // undefined once the session has moved on
  #liveAt = 0;
  #error = {};  // what the server last said was wrong with this connection
  #again;  // timer: the next try
  #quiet;  // timer: nothing came for too long

  // `start` holds its fields; `quietMs` is how long a server that owes something may say nothing.
  constructor(url, start = {}, { quietMs = QUIET_MS } = {}) {
    super();
    this.#url = url;
    this.#quietMs = quietMs;
    this.#speaker = new Speaker(start);
    this.#connect();
  }

  // In order. After a session that could not go on the next one's follow, with numbers and times of their own.
  get finals() {
    return [...this.#past, ...this.#speaker.finals];
  }

  // What was heard of utterances that have no final yet, in their order.
  get fragments() {
    return [...this.#speaker.fragments].sort(([one], [other]) => one - other).map(([, text]) => text);
  }

  get isOver() {
    return this.state === "finished" || this.state === "ended";
  }

  // The next piece of audio, of any length. A source that can wait does so while `isFull`; for one that cannot it is
  // the end.
  get isFull() {
    return this.#speaker.isFull;
  }

  speak(bytes) {
    if (this.isOver) return;
    if (this.isFull) return this.end("More was said than can be kept while no server answers.");
    this.#speaker.speak(bytes);
    this.#send();
  }

  stop() {
    if (this.isOver) return;
    this.#speaker.stop();
    this.#send();
  }

  // Leave, and say why.
  end(reason) {
    this.#become("ended", reason);
  }

  #connect() {
    const url = new URL(this.#url);
    url.searchParams.set("refuse", "close");  // A page is not told the status of a refused upgrade.
    if (this.#speaker.cursor) url.searchParams.set("resume", "1");
    const socket = new WebSocket(url);
    this.#socket = socket;
    this.#error = {};
    this.#quiet = setTimeout(() => this.#lost(1006), CONNECT_WITHIN_MS);
    socket.onopen = () => {
      this.#speaker.connected();
      this.#send();
    };
    socket.onmessage = ({ data }) => this.#read(data);
    socket.onclose = ({ code }) => this.#lost(code);
  }

  #read(text) {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.end("The server says what cannot be read.");
    }
    this.#receive(message);
  }

  #receive(message) {
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    if (message.type === "error") this.#error = message;
    if (this.#speaker.receive(message)) this.#movedOn();
    if (message.type === "started") {
      this.#liveAt = performance.now();
      this.#become("live");
    }
    // A server that could only be told in other chunks is told a new session; see `#beginAnew`.
    if (this.#speaker.isStuck) return this.#lost(4004);
    if (this.#speaker.isComplete) this.#become("finished");
    this.#send();
    if (this.#speaker.isPromised) this.#expectNews();
    this.dispatchEvent(new Event("change"));
  }

  #send() {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    for (const message of this.#speaker.takeMessages()) {
      // A binary frame takes the next number, which is this chunk's: all are sent in order, from `next_sequence` on.
      this.#socket.send(message.type === "audio_chunk" ? message.data : JSON.stringify(message));
      this.#expectNews();
    }
  }

  #expectNews() {
    if (this.#quiet !== undefined) return;
    const ms = this.#quietMs * 2 ** Math.min(this.#vainTries, MOST_DOUBLINGS);
    this.#quiet = setTimeout(() => { this.#vainTries++; this.#lost(1006); }, ms);
  }

  // What is lost from now on is another outage.
  #movedOn() {
    this.#tries = this.#vainTries = 0;
    this.#outageAt = undefined;
  }

  #lost(code) {
    const isSound = this.state === "live" && this.#quiet === undefined;
    if (isSound && performance.now() - this.#liveAt > STEADY_MS) this.#movedOn();
    this.#forget();
    this.#speaker.lost();
    const reason = finality(code);
    if (reason) return this.end(reason);
    const windowS = this.#speaker.limits?.resume_window_s ?? WINDOW_S;
    if (beginsAnew(code)) this.#beginAnew();
    if (this.state === "live") this.drops++;
    this.#outageAt ??= performance.now();
    const delayMs = waitMs(code, this.#tries++, this.#error.retry_after_ms, Math.random());
    if (performance.now() + delayMs - this.#outageAt > windowS * 1000) {
      return this.end(`No server carried the session on for ${windowS} s.`);
    }
    this.#become("lost", this.#error.message ?? "Connection lost.");
    this.#again = setTimeout(() => this.#connect(), delayMs);
  }

  #beginAnew() {
    this.#past.push(...this.#speaker.finals);
    this.#speaker = this.#speaker.successor();
  }

  // Of a connection that is given up nothing is heard any more: what it still brings would be counted twice.
  #forget() {
    clearTimeout(this.#again);
    clearTimeout(this.#quiet);
    this.#quiet = undefined;
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #become(state, reason = "") {
    if (this.isOver) return;
    this.state = state;
    this.reason = reason;
    if (this.isOver) this.#forget();
    this.dispatchEvent(new Event("change"));
  }
}
