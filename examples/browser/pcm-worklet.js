// Beside the page, on the audio's own thread: makes chunks of 16-bit samples from what the microphone brings.

registerProcessor("pcm", class extends AudioWorkletProcessor {
  #chunk;
  #filled = 0;

  constructor({ processorOptions: { samples } }) {
    super();
    this.#chunk = new Int16Array(samples);
  }

  process([[samples = []]]) {
    for (const sample of samples) {
      this.#chunk[this.#filled++] = Math.round(32767 * Math.max(-1, Math.min(1, sample)));
      if (this.#filled === this.#chunk.length) {
        this.port.postMessage(this.#chunk);  // Copied: the next samples may be written at once.
        this.#filled = 0;
      }
    }
    return true;
  }
});
