// Where audio comes from: a microphone, or a file. Both give chunks of 100 ms, mono s16le, as Uint8Array.
//
// Guarantees that a microphone is let go of when it is closed. Audio is little-endian, as every browser's machine is.

const RATE_HZ = 16_000;
const CHUNK_MS = 100;

export class Microphone {
  #stream;
  #context;
  #node;

  // Ask for it; raises what the browser says where it is refused.
  static async open() {
    const microphone = new Microphone();
    microphone.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    try {
      await microphone.#listen({ sampleRate: RATE_HZ });
    } catch (error) {
      microphone.#context.close();
      // Firefox connects no microphone to a context of another rate: there the server resamples.
      if (error.name === "NotSupportedError") await microphone.#listen({});
      else throw error;
    }
    return microphone;
  }

  get rateHz() {
    return this.#context.sampleRate;
  }

  // Call `take` with every chunk from now on.
  start(take) {
    this.#node.port.onmessage = ({ data }) => take(new Uint8Array(data.buffer));
    this.#node.port.start();
  }

  // May be called twice.
  close() {
    if (this.#context.state === "closed") return;
    this.#node.port.onmessage = null;  // What is left of the last 100 ms is not sent.
    for (const track of this.#stream.getTracks()) track.stop();
    this.#context.close();
  }

  async #listen(options) {
    const context = this.#context = new AudioContext(options);
    await context.audioWorklet.addModule("pcm-worklet.js");
    const samples = Math.round((context.sampleRate * CHUNK_MS) / 1000);
    this.#node = new AudioWorkletNode(context, "pcm", { processorOptions: { samples } });
    // The node stays silent; unconnected it might not run.
    context.createMediaStreamSource(this.#stream).connect(this.#node).connect(context.destination);
  }
}

// A file's samples at 16 kHz, whatever kind of file the browser can read; raises what the browser says otherwise.
export async function samplesOf(file) {
  const context = new OfflineAudioContext(1, 1, RATE_HZ);
  const audio = await context.decodeAudioData(await file.arrayBuffer());
  const channels = Array.from({ length: audio.numberOfChannels }, (_, nth) => audio.getChannelData(nth));
  return Int16Array.from(channels[0], (_, at) => {
    const mean = channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length;
    const sample = Math.max(-1, Math.min(1, mean));
    return Math.round(sample * (sample < 0 ? 32768 : 32767));
  });
}

// Say the samples to `client` at `speed` times the pace at which they were spoken, then stop.
export async function play(samples, client, speed) {
  const size = (RATE_HZ * CHUNK_MS) / 1000;
  const began = performance.now();
  for (let at = 0; at < samples.length && !client.isOver; at += size) {
    const dueMs = began + at / size * CHUNK_MS / speed;
    await pause(dueMs - performance.now());
    while (client.isFull && !client.isOver) await pause(CHUNK_MS);
    const chunk = samples.slice(at, at + size);
    client.speak(new Uint8Array(chunk.buffer));
  }
  client.stop();
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
