/** Simulated time: what is due happens in its order, each in a turn of its own. Nothing waits for real. */

interface Due {
  readonly atMs: number;
  readonly act: () => unknown;
  /** Somebody waits for it: time goes on until nobody does. */
  readonly drives: boolean;
}

/** More turns than any schedule needs. */
const CALLS_MAX = 20_000;

export class Turns {
  callsMax = CALLS_MAX;
  /** Rejects when time passes for ever. */
  readonly runaway: Promise<never>;
  #runAway: (error: Error) => void = () => undefined;
  readonly #now: () => number;
  readonly #moveTo: (atMs: number) => void;
  #due: Due[] = [];
  #drivers = 0;
  #stepping = false;
  #calls = 0;

  constructor(now: () => number, moveTo: (atMs: number) => void) {
    this.#now = now;
    this.#moveTo = moveTo;
    this.runaway = new Promise((_, reject) => {
      this.#runAway = reject;
    });
    this.runaway.catch(() => undefined);
  }

  after(ms: number, act: () => unknown): () => void {
    return this.#add({ atMs: this.#now() + ms, act, drives: false });
  }

  pass(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#add({ atMs: this.#now() + ms, act: resolve, drives: true });
    });
  }

  /** Only what somebody waits for is left. */
  calm(): void {
    this.#due = this.#due.filter(({ drives }) => drives);
  }

  #add(one: Due): () => void {
    let at = this.#due.length;
    while (at > 0 && (this.#due[at - 1] as Due).atMs > one.atMs) at -= 1;
    this.#due.splice(at, 0, one);
    if (one.drives) this.#drivers += 1;
    if (this.#drivers > 0) this.#soon();
    return () => {
      const where = this.#due.indexOf(one);
      if (where >= 0) this.#due.splice(where, 1);
    };
  }

  readonly #turn = (): void => {
    this.#stepping = false;
    this.#step();
  };
  readonly #tick = (): void => process.nextTick(this.#turn);

  /** In a turn of its own: until then everybody has gone as far as they can without waiting. */
  #soon(): void {
    if (this.#stepping) return;
    this.#stepping = true;
    // A tick that a microtask asks for comes once no microtask is left, and costs a tenth of a turn of the event loop.
    queueMicrotask(this.#tick);
  }

  #step(): void {
    this.#calls += 1;
    const next = this.#due.shift();
    if (next === undefined) return;
    if (this.#calls > this.callsMax) {
      this.#runAway(new Error('the simulation ran away: this never ends'));
      return;
    }
    this.#moveTo(next.atMs);
    if (next.drives) this.#drivers -= 1;
    next.act();
    if (this.#drivers > 0) this.#soon();
  }
}
