/** One process in the simulation: it can be killed at any call, frozen for a while, and reaches everything through its own Io. */
import { NotAllowed } from '../../src/base/changes/change.ts';
import type { Control } from '../../src/engine/runner.ts';
import type { Io, ProcessIdentity } from '../../src/io.ts';
import { diskOf } from './process-disk.ts';
import { identityOf, type Sees, type Simulation } from './simulation.ts';

/** A promise of its own each time: one for all would keep every simulation that ever waited for it. */
const forEver = () => new Promise<never>(() => undefined);
const CALL_MS = 3;
/** Who does not go within this time is left. */
const GONE_WITHIN_MS = 2000;

export class Process {
  readonly pid: number;
  readonly io: Io;
  readonly control: { -readonly [Key in keyof Control]: Control[Key] };
  alive = true;
  /** Resolves when it is killed. */
  readonly death: Promise<'died'>;
  /** Dies at this one of its calls: counted before and after each write to the disk, before each request and after its answer. */
  dieAt = Number.POSITIVE_INFINITY;
  /** Called at every call to the outside: what happens meanwhile happens while this process is frozen. */
  freeze: (call: string) => Promise<void> | undefined = () => undefined;
  /** What it waits for while it is frozen. */
  frozen: Promise<void> = Promise.resolve();
  isFrozen = false;
  /** When it is killed: whether what it has in flight still reaches the router, or (from a host that went away) does so later. */
  lastWord: 'now' | 'never' | 'late' = 'now';
  calls = 0;
  readonly #sim: Simulation;
  #ids = 0;
  #die: () => void = () => undefined;

  constructor(sim: Simulation, pid: number, options: { host?: string; sees?: Sees; control?: Partial<Control> } = {}) {
    this.#sim = sim;
    this.pid = pid;
    this.control = { paused: false, leave: false, untilPercent: null, leaveAtMs: null, ...options.control };
    this.death = new Promise((resolve) => {
      this.#die = () => resolve('died');
    });
    sim.running.add(pid);
    sim.kill.set(pid, () => this.kill());
    this.io = this.#door(identityOf(pid, options.host, options.sees), options.sees ?? 'all');
  }

  /** SIGKILL. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#sim.running.delete(this.pid);
    if (this.lastWord !== 'late') this.#sim.hangUp(this.pid, this.lastWord === 'now');
    this.#die();
    this.#sim.onDeath();
  }

  #door(self: ProcessIdentity, sees: Sees): Io {
    const sim = this.#sim;
    const never = () => Promise.reject(new Error('there is nothing like that in this simulation'));
    return {
      fs: diskOf(sim.disk, sim, this),
      http: async (request, allowed) => {
        await this.#call('connect');
        const reason = allowed();
        if (reason !== undefined) throw new NotAllowed(reason);
        const answer = await sim.answer(request, this.pid);
        await this.#call('answered');
        return answer;
      },
      socket: never,
      run: never,
      secret: () => undefined,
      resolve: never,
      env: () => undefined,
      now: () => sim.nowMs,
      monotonic: () => sim.monotonicMs,
      sleep: async (ms) => {
        await sim.pass(ms);
        await this.#call('slept');
      },
      every: (ms, act) => this.#every(ms, act),
      randomId: () => (this.pid * 0x1000000 + ++this.#ids).toString(16).padStart(12, '0'),
      self: () => self,
      lookFor: ({ by }) => {
        if (by.pidNamespace !== self.pidNamespace) return { is: 'unsure', why: 'it runs in another pid namespace (container)' };
        if (!sim.running.has(by.pid)) return { is: 'gone' };
        if (sees === 'hidepid' && by.pid !== this.pid) return { is: 'unsure', why: 'its pid is in use, but hidden in /proc' };
        if (!sim.strangers.has(by.pid)) return { is: 'running' };
        sim.met('claim of a process that is not kvdeploy');
        return { is: 'unsure', why: 'it is not kvdeploy, but sleep' };
      },
      runUntilKilled: never,
      end: async (claimed) => {
        const { pid } = claimed.by;
        const seen = this.io.lookFor(claimed);
        if (seen.is !== 'running') return seen;
        if (sim.unendable.has(pid)) await this.io.sleep(GONE_WITHIN_MS);
        else sim.kill.get(pid)?.();
        const left = sim.unendable.has(pid) && sim.running.has(pid);
        return left ? { is: 'unsure', why: 'it is still there after SIGKILL' } : { is: 'gone' };
      },
    };
  }

  async #call(name: string): Promise<void> {
    if (!this.alive) await forEver();
    const pause = this.freeze(name);
    if (pause !== undefined) {
      this.frozen = pause;
      this.isFrozen = true;
      await pause;
      this.isFrozen = false;
      if (!this.alive) await forEver();
    }
    await this.#sim.pass(CALL_MS);
    this.count();
    if (!this.alive) await forEver();
  }

  #every(ms: number, act: () => void): () => void {
    let stop = (): void => {};
    const again = () => {
      if (!this.alive) return;
      if (!this.isFrozen) act();
      stop = this.#sim.after(ms, again);
    };
    stop = this.#sim.after(ms, again);
    return () => stop();
  }

  /** One of the places to die at. */
  count(): void {
    this.calls += 1;
    if (this.calls < this.dieAt || !this.alive) return;
    this.#sim.met('crash');
    this.kill();
  }
}
