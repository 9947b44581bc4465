/** Two short notes, which the browser synthesises, so there is no file to fetch. */

const NOTES = [
  { hertz: 784, at: 0, seconds: 0.18 },
  { hertz: 1047, at: 0.12, seconds: 0.32 },
];
const LOUDNESS = 0.12;
const STARTED_MS = 500;

export class Tone {
  /** @type {AudioContext | undefined} */
  #context;

  /** Browsers allow sound once the user has clicked or typed in the page; until then it is silent. */
  async play() {
    if (!("AudioContext" in globalThis) || navigator.userActivation?.hasBeenActive === false) return;
    const context = (this.#context ??= new AudioContext());
    // If it isn't allowed yet, it would only play at the next click, too late.
    await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, STARTED_MS))]);
    if (context.state !== "running") return;
    const notes = NOTES.map((note) => strike(context, note));
    await new Promise((resolve) => notes.at(-1)?.addEventListener("ended", resolve));
    await context.suspend(); // otherwise the tab shows a loudspeaker for as long as it is open
  }
}

/**
 * @param {AudioContext} context
 * @param {{hertz: number, at: number, seconds: number}} note
 */
function strike(context, { hertz, at, seconds }) {
  const begin = context.currentTime + at;
  const note = new OscillatorNode(context, { frequency: hertz });
  const volume = new GainNode(context, { gain: 0 });
  volume.gain.setValueAtTime(0, begin);
  volume.gain.linearRampToValueAtTime(LOUDNESS, begin + 0.01); // at once, it would click
  volume.gain.exponentialRampToValueAtTime(0.001, begin + seconds);
  note.connect(volume).connect(context.destination);
  note.start(begin);
  note.stop(begin + seconds);
  return note;
}
