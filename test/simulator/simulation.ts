/** A simulation: one clock, one disk, one router, builds that answer, metrics that count. Nothing in it waits for real. */
import type { HttpAnswer, Outside } from '../../src/base/changes/change.ts';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import type { Scope } from '../../src/base/scope.ts';
import type { NewEntry } from '../../src/core/ledger/ledger.ts';
import { type Split, splitText } from '../../src/core/rollout/split.ts';
import type { Standing } from '../../src/engine/condition.ts';
import { rescueSource } from '../../src/engine/pointer-writer.ts';
import type { ProcessIdentity } from '../../src/io.ts';
import type { Location, Reading } from '../../src/routers/router.ts';
import { type Counters, type Running, type Sight, SLOW_S, seen } from './counters.ts';
import type { Trouble } from './coverage.ts';
import { putFile } from './disk.ts';
import { memoryDisk } from './memory-disk.ts';
import { Turns } from './turns.ts';

export const SCOPE: Scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
export const STATE_DIR = '/var/lib/kvdeploy';
export const POINTER_DIR = pointerDir(STATE_DIR, SCOPE);
export const COPY_DIR = '/srv/copy';

/**
 * How the router treats one request to shift. `down`: neither done nor answered. `lost`: done, but the answer never comes. `late`:
 * done some time after the answer. `overdue`: done later, behind others that were sent after it, and never answered. `twice`: the
 * request arrives two times. `ignored`: answered well, and not done. `lie`: done, and reported otherwise. `crooked`: something else is done.
 */
export type Fate = 'done' | 'refused' | 'down' | 'lost' | 'late' | 'overdue' | 'twice' | 'ignored' | 'lie' | 'crooked';

/** One real change of traffic. */
export interface Moved {
  readonly atMs: number;
  /** When the request for it was sent. */
  readonly sentMs: number;
  /** Process number, or 0 for somebody else. */
  readonly by: number;
  readonly split: Readonly<Record<string, number>>;
}

const TROUBLE_OF: Readonly<Record<Exclude<Fate, 'done'>, Trouble>> = {
  refused: 'request refused',
  down: 'request lost',
  lost: 'answer lost',
  late: 'request late',
  overdue: 'request overdue',
  twice: 'request twice',
  ignored: 'router acknowledges and does nothing',
  lie: 'router does it and says otherwise',
  crooked: 'router does something else',
};

const TROUBLE_SEEN: Readonly<Record<Exclude<Sight, 'counts'>, Trouble>> = {
  nothing: 'metrics say nothing',
  'stands still': 'metrics stand still',
  'is down': 'metrics are down',
};

const REQUESTS_A_SECOND = 100;
export const LATE_MS = 3000;

/** The answer of a member; no build where it gave none. */
export interface Heard {
  readonly atMs: number;
  readonly build: Running | undefined;
}

/** A reading, as its process had it. */
export interface Looked {
  readonly atMs: number;
  readonly locations: readonly Location[];
}

/** The commit that a build says, where it is asked for that. */
export const commitOf = (guid: string) => guid.replaceAll('-', '').padEnd(40, '0');

/** `green-2` belongs to green. */
export const placeOf = (host: string) => host.split('-')[0] ?? host;

/** A request that was sent, and that the router will act on later. */
interface InFlight {
  readonly by: number;
  readonly arrive: () => void;
}

export class Simulation {
  nowMs = Date.parse('2026-11-21T10:00:00Z');
  monotonicMs = 1000;
  readonly disk = memoryDisk(() => this.nowMs);
  /** What the disk refuses or does by halves: no room, no fsync, short writes. */
  full = false;
  syncFails = false;
  shortWrites = false;
  /** Whatever is written, something else is kept. */
  lies = false;
  readonly running = new Set<number>();
  readonly kill = new Map<number, () => void>();
  /** Processes that could not write to their ledger: all that they may still do is go back. */
  readonly unwritten = new Set<number>();
  /** Processes of this machine that are not kvdeploy, whatever a claim says. */
  readonly strangers = new Set<number>();
  /** Processes that nobody can end: they hang in the kernel, or the host does not answer. */
  readonly unendable = new Set<number>();
  /** Traffic as it really is, and what the router says where it lies. */
  split: Record<string, number>;
  says: Record<string, number> | undefined;
  trouble: string[] = [];
  /** Locations that cannot be read. */
  unseen: NonNullable<Reading['unseen']> = [];
  /** Members by location, where a place has more than the one of its name, and what of them is down: by `east green-2`. */
  shape: readonly { readonly location: string; readonly members: Readonly<Record<string, readonly string[]>> }[] = [];
  readonly down = new Set<string>();
  /** How often a member went down, besides its place, by `green-2`. */
  readonly downs = new Map<string, number>();
  readonly minUp = new Map<string, number>();
  /** What manifests and ledgers say of the candidate. */
  files: Standing = { is: 'right' };
  /** What the marker at the target says, once it names another state. */
  others: string | undefined;
  routerDown = false;
  fate: () => Fate = () => 'done';
  /** Called with every change that a process sends, before it is made. */
  onShift: (by: number, split: Record<string, number>, members: string) => void = () => undefined;
  /** Called with every change of traffic, when it is made. */
  onMove: (by: number, sentMs: number) => void = () => undefined;
  /** Called with every request of a process, and once more with each build that it was given a count of. */
  onAsked: (by: number, counted?: string) => void = () => undefined;
  /** Called with what a process was told to be written for ever. */
  onAppended: (by: number, seq: number, entry: NewEntry) => void = () => undefined;
  /** Called when a process was killed, and after the power went. */
  onDeath: () => void = () => undefined;
  onPointed: (generation: number) => void = () => undefined;
  /** Called with what happens, for people. */
  tell: ((who: string, what: string) => void) | undefined;
  /** What has befallen this simulation. */
  readonly troubles = new Set<Trouble>();
  readonly moved: Moved[] = [];
  readonly builds = new Map<string, Running>();
  /** What runs at a place's member of the second location, where there is one: by `green.elsewhere`. */
  readonly elsewhere = new Map<string, Running>();
  /** Members that are up and do not answer, by the host of their address. */
  readonly silent = new Map<string, 'refuses' | 'hangs'>();
  /** What a process last heard at an address, by `11 green-2`. */
  readonly heard = new Map<string, Heard>();
  /** What a process last saw of the members, by its pid. */
  readonly looked = new Map<number, Looked>();
  readonly metrics = new Map<string, Counters>();
  /** When the metric source last gave a number of requests for a build. */
  readonly countedMs = new Map<string, number>();
  readonly #inFlight = new Set<InFlight>();
  readonly #turns = new Turns(
    () => this.monotonicMs,
    (atMs) => this.#moveTo(atMs),
  );

  constructor(split: Record<string, number>) {
    this.split = split;
    putFile(this.disk, rescueSource(), 'the rescue program');
    for (const dir of ['/var/lib/', '/srv/']) putFile(this.disk, `${dir}here`, '');
  }

  met(trouble: Trouble): void {
    this.troubles.add(trouble);
  }

  /** Puts a build at a place. */
  place(place: string, guid: string, said: Partial<Running> = {}): void {
    this.builds.set(place, { guid, environment: SCOPE.environment, failing: 0, slow: 0, up: true, downs: 0, ...said });
    if (!this.metrics.has(guid)) this.metrics.set(guid, { requests: 0, errors: 0, slow: 0, sight: 'counts', frozen: undefined });
  }

  /** Has something happen once so many milliseconds have passed, if they do. Returns how to call it off. */
  after(ms: number, act: () => unknown): () => void {
    return this.#turns.after(ms, act);
  }

  /** Lets time pass; whatever is due in between happens at its time. */
  pass(ms: number): Promise<void> {
    return this.#turns.pass(ms);
  }

  /** Nothing that was to happen by itself happens any more. */
  calm(): void {
    this.#turns.calm();
    this.#inFlight.clear();
  }

  /** How often time may pass: a run that never ends is a finding. */
  set callsMax(most: number) {
    this.#turns.callsMax = most;
  }

  /** Rejects when time passes for ever. */
  get runaway(): Promise<never> {
    return this.#turns.runaway;
  }

  /** What a process that is killed had sent reaches the router now or never: the connection goes with the process. */
  hangUp(pid: number, arrives: boolean): void {
    for (const request of [...this.#inFlight].filter(({ by }) => by === pid)) {
      this.#inFlight.delete(request);
      if (arrives) request.arrive();
    }
  }

  #later(split: Record<string, number>, by: number): void {
    const sentMs = this.monotonicMs;
    const request = { by, arrive: () => this.move(split, by, sentMs) };
    this.#inFlight.add(request);
    this.after(LATE_MS, () => {
      if (this.#inFlight.delete(request)) request.arrive();
    });
  }

  #moveTo(atMs: number): void {
    const ms = atMs - this.monotonicMs;
    if (ms <= 0) return;
    this.monotonicMs = atMs;
    this.nowMs += ms;
    for (const [{ guid, failing, slow }, percent] of this.#serving()) {
      const counters = guid === null ? undefined : this.metrics.get(guid);
      if (counters === undefined) continue;
      const more = ((REQUESTS_A_SECOND * ms) / 1000) * (percent / 100);
      counters.requests += more;
      counters.errors += more * failing;
      counters.slow += more * slow;
    }
  }

  /** Traffic really moves. */
  move(split: Readonly<Record<string, number>>, by: number, sentMs = this.monotonicMs): void {
    this.split = { ...split };
    this.says = undefined;
    this.tell?.(by === 0 ? 'somebody else' : 'router', `traffic is ${splitText(sharesOf(split))}`);
    if (sentMs < (this.moved.at(-1)?.sentMs ?? 0)) this.met('request overtaken by a later one');
    this.onMove(by, sentMs);
    this.moved.push({ atMs: this.monotonicMs, sentMs, by, split: { ...split } });
  }

  /** The outside as HTTP, for process `by`. */
  async answer(request: Parameters<Outside['http']>[0], by: number): Promise<HttpAnswer> {
    const url = parsed(request.url);
    this.onAsked(by);
    if (url.host === 'router') return this.#router(request, url.pathname, by);
    if (url.host === 'prometheus') return this.#query(url, request.timeoutMs, by);
    const build = this.runs(url.host);
    const silent = this.silent.get(url.host);
    const isSilent = build === undefined || !build.up || silent !== undefined;
    this.heard.set(`${by} ${url.host}`, { atMs: this.monotonicMs, build: isSilent ? undefined : { ...build } });
    if (silent !== undefined) this.met('member falls silent');
    if (silent === 'hangs') await this.pass(request.timeoutMs);
    if (isSilent) throw new Error(silent === 'hangs' ? 'timed out' : 'connection refused');
    const { guid, environment } = build;
    const headers: Record<string, string> = {};
    if (guid !== null) headers['x-build-guid'] = guid;
    if (guid !== null) headers['x-git-sha'] = commitOf(guid);
    if (environment !== null) headers['x-environment'] = environment;
    return { status: 200, headers, body: JSON.stringify({ build: { guid, commit: headers['x-git-sha'] }, environment }) };
  }

  /** What runs at a host: a member without a build of its own has that of its place. */
  runs(host: string): Running | undefined {
    return this.builds.get(host) ?? this.elsewhere.get(host) ?? this.builds.get(placeOf(host));
  }

  /** What runs at each member that is up, and its share of all traffic. */
  *#serving(): Iterable<readonly [Running, number]> {
    if (this.shape.length === 0) for (const [place, running] of this.builds) yield [running, this.split[place] ?? 0];
    for (const { location, members } of this.shape)
      for (const [place, names] of Object.entries(members)) {
        const up = names.filter((name) => !this.down.has(`${location} ${name}`));
        for (const name of up) {
          const running = this.runs(name);
          if (running !== undefined) yield [running, (this.split[place] ?? 0) / this.shape.length / up.length];
        }
      }
  }

  async #router(request: Parameters<Outside['http']>[0], path: string, by: number): Promise<HttpAnswer> {
    const gone = async () => {
      await this.pass(request.timeoutMs);
      throw new Error('timed out');
    };
    if (this.routerDown) {
      this.met('router does not answer');
      return gone();
    }
    if (this.trouble.length > 0) this.met('router in trouble');
    if (request.method === 'GET') return { status: 200, headers: {}, body: JSON.stringify(this.#said(path)) };
    const split = JSON.parse(request.body ?? '{}') as Record<string, number>;
    this.onShift(by, split, request.headers?.['x-members'] ?? '');
    const fate = this.fate();
    this.tell?.(`process ${by}`, `asks for ${splitText(sharesOf(split))}${fate === 'done' ? '' : `: ${fate}`}`);
    if (fate !== 'done') this.met(TROUBLE_OF[fate]);
    switch (fate) {
      case 'down':
        return gone();
      case 'ignored':
        break;
      case 'refused':
        return { status: 503, headers: {}, body: 'not now' };
      case 'lie':
        this.says = split;
        break;
      case 'crooked':
        this.move({ ...this.split, blue: 60, green: 0, grey: 40 }, 0);
        break;
      case 'late':
        // What is so already needs no time to become so.
        if (JSON.stringify(split) === JSON.stringify(this.split)) this.move(split, by);
        else this.#later(split, by);
        break;
      case 'overdue':
        this.#later(split, by);
        return gone();
      case 'lost':
        this.move(split, by);
        return gone();
      case 'twice':
        this.move(split, by);
        this.move(split, by);
        break;
      case 'done':
        this.move(split, by);
        break;
    }
    return { status: 200, headers: {}, body: '' };
  }

  #said(path: string): unknown {
    const split = this.says ?? this.split;
    return path === '/text' ? { text: splitText(sharesOf(split)) } : split;
  }

  #counted(guid: string, by: number): void {
    this.countedMs.set(guid, this.monotonicMs);
    this.onAsked(by, guid);
  }

  /** Reads the questions out of the query that the source makes of them: `requests{build="…"}` and `errors{build="…"}`, or `latency{build="…"}`. */
  async #query(url: URL, timeoutMs: number, by: number): Promise<HttpAnswer> {
    const query = url.searchParams.get('query') ?? '';
    const asked = [...query.matchAll(/\n(requests|errors|latency)\{build="([^"]+)"\}\n, "kvdeploy_build", "(\w+)"/g)];
    const all = asked.map(([, what, guid = '', arm = '']) => ({ what: what as 'requests' | 'errors' | 'latency', guid, arm }));
    for (const { guid } of all) {
      const sight = this.metrics.get(guid)?.sight ?? 'counts';
      if (sight !== 'counts') this.met(TROUBLE_SEEN[sight]);
    }
    if (all.some(({ guid }) => this.metrics.get(guid)?.sight === 'is down')) {
      await this.pass(timeoutMs);
      throw new Error('timed out');
    }
    const slowMs = Math.max(0, ...all.map(({ guid }) => this.metrics.get(guid)?.slowMs ?? 0));
    if (slowMs > 0) {
      this.met('metrics are slow');
      await this.pass(slowMs);
    }
    const result = all.flatMap(({ what, guid, arm }) => {
      const counters = this.metrics.get(guid);
      const counted = counters === undefined ? undefined : seen(counters);
      if (counted === undefined) return [];
      if (what === 'requests') this.#counted(guid, by);
      const series = (value: number, le: { le?: string } = {}) => {
        const metric = { kvdeploy_build: arm, kvdeploy_counter: what, instance: guid, ...le };
        return { metric, value: [this.nowMs / 1000, String(Math.floor(value))] };
      };
      if (what !== 'latency') return [series(counted[what])];
      return [series(counted.requests - counted.slow, { le: String(SLOW_S) }), series(counted.requests, { le: '+Inf' })];
    });
    return { status: 200, headers: {}, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
  }
}

/** The simulations ask for the same addresses over and over; but a question to the metrics names its time, and a bake asks for hours. */
const addresses = new Map<string, URL>();
const MOST_ADDRESSES = 5_000;

function parsed(address: string): URL {
  if (addresses.size > MOST_ADDRESSES) addresses.clear();
  const url = addresses.get(address) ?? new URL(address);
  addresses.set(address, url);
  return url;
}

/** What a process can see of others: every one, none that is not in its container, or (hidepid) none of other users. */
export type Sees = 'all' | 'container' | 'hidepid';

/** Processes of one machine, whatever it is called at the time. */
export function identityOf(pid: number, host = 'deploy-1', sees: Sees = 'all'): ProcessIdentity {
  return { host, boot: 'boot', pidNamespace: sees === 'container' ? 'pid:[2]' : 'pid:[1]', uid: 7, pid, started: String(pid) };
}

/** A router's split in the words of the core, places in order. */
export function sharesOf(split: Readonly<Record<string, number>>): Split {
  return Object.keys(split)
    .sort()
    .map((place) => ({ place, build: null, percent: split[place] ?? 0 }));
}
