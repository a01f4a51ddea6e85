/** A simulated world: one clock, one disk, one router, builds that answer, metrics that count. Nothing in it waits for real. */
import type { Fs, HttpAnswer, Outside } from '../../src/break-glass/changes.ts';
import { pointerDir } from '../../src/break-glass/pointer.ts';
import { rescueSource } from '../../src/commands/state-dir.ts';
import type { Scope } from '../../src/core/scope.ts';
import type { ProcessIdentity } from '../../src/io.ts';
import { memoryDisk, putFile } from './disk.ts';

export const SCOPE: Scope = { tenant: 'acme', environment: 'production', service: 'kv-gateway' };
export const STATE_DIR = '/var/lib/kvdeploy';
export const POINTER_DIR = pointerDir(STATE_DIR, SCOPE);
export const COPY_DIR = '/srv/copy';

/** How the router treats one request to shift. `lost`: done, but the answer never comes. `late`: done some time after the answer. `overdue`: done later, and never answered. `ignored`: answered well, and not done. */
export type Fate = 'done' | 'refused' | 'down' | 'lost' | 'late' | 'overdue' | 'ignored' | 'lie';

export type Sight = 'counts' | 'nothing' | 'stands still' | 'is down';

/** What runs at a place of the router. */
export interface Running {
  guid: string | null;
  environment: string | null;
  /** Share of its requests that fail. */
  failing: number;
  up: boolean;
}

export interface Counters {
  requests: number;
  errors: number;
  /** What the metric source says about it, and what it said last. */
  sight: Sight;
  frozen: { readonly requests: number; readonly errors: number } | undefined;
}

/** One real change of traffic. */
export interface Moved {
  readonly atMs: number;
  /** When the request for it was sent. */
  readonly sentMs: number;
  /** Process number, or 0 for somebody else. */
  readonly by: number;
  readonly split: Readonly<Record<string, number>>;
}

const REQUESTS_A_SECOND = 100;
export const LATE_MS = 3000;
/** More calls than any schedule needs: a run that never ends is a finding. */
const CALLS_MAX = 20_000;

export class World {
  nowMs = Date.parse('2026-11-21T10:00:00Z');
  monotonicMs = 1000;
  readonly disk: Fs = memoryDisk(() => this.nowMs);
  /** True while every write fails for want of room. */
  full = false;
  /** How often time may pass. */
  callsMax = CALLS_MAX;
  readonly running = new Set<number>();
  readonly kill = new Map<number, () => void>();
  /** Traffic as it really is, and what the router says where it lies. */
  split: Record<string, number>;
  says: Record<string, number> | undefined;
  trouble: string[] = [];
  routerDown = false;
  fate: () => Fate = () => 'done';
  /** Called with every change that a process sends, before it is made. */
  onShift: (by: number, split: Record<string, number>) => void = () => undefined;
  readonly moved: Moved[] = [];
  readonly builds = new Map<string, Running>();
  readonly metrics = new Map<string, Counters>();
  #due: { readonly atMs: number; readonly act: () => void | Promise<void> }[] = [];
  #calls = 0;

  constructor(split: Record<string, number>) {
    this.split = split;
    putFile(this.disk, rescueSource(), 'the rescue program');
    for (const dir of ['/var/lib/', '/srv/']) putFile(this.disk, `${dir}here`, '');
  }

  /** Puts a build at a place. */
  place(place: string, guid: string, said: Partial<Running> = {}): void {
    this.builds.set(place, { guid, environment: SCOPE.environment, failing: 0, up: true, ...said });
    if (!this.metrics.has(guid)) this.metrics.set(guid, { requests: 0, errors: 0, sight: 'counts', frozen: undefined });
  }

  /** Has something happen once so many milliseconds have passed. */
  after(ms: number, act: () => void | Promise<void>): void {
    this.#due.push({ atMs: this.monotonicMs + ms, act });
    this.#due.sort((a, b) => a.atMs - b.atMs);
  }

  /** Lets time pass; whatever is due in between happens at its time. */
  async pass(ms: number): Promise<void> {
    this.#calls += 1;
    if (this.#calls > this.callsMax) throw new Error('the world ran away: this never ends');
    const until = this.monotonicMs + ms;
    for (let next = this.#due[0]; next !== undefined && next.atMs <= until; next = this.#due[0]) {
      this.#due.shift();
      this.#moveTo(next.atMs);
      await next.act();
    }
    this.#moveTo(until);
  }

  /** Nothing that was to happen happens any more. */
  calm(): void {
    this.#due = [];
  }

  #moveTo(atMs: number): void {
    const ms = atMs - this.monotonicMs;
    if (ms <= 0) return;
    this.monotonicMs = atMs;
    this.nowMs += ms;
    for (const [place, { guid, failing }] of this.builds) {
      const counters = guid === null ? undefined : this.metrics.get(guid);
      if (counters === undefined) continue;
      const more = ((REQUESTS_A_SECOND * ms) / 1000) * ((this.split[place] ?? 0) / 100);
      counters.requests += more;
      counters.errors += more * failing;
    }
  }

  /** Traffic really moves. */
  move(split: Readonly<Record<string, number>>, by: number, sentMs = this.monotonicMs): void {
    this.split = { ...split };
    this.says = undefined;
    this.moved.push({ atMs: this.monotonicMs, sentMs, by, split: { ...split } });
  }

  /** The outside as HTTP, for process `by`. */
  async answer(request: Parameters<Outside['http']>[0], by: number): Promise<HttpAnswer> {
    const url = new URL(request.url);
    if (url.host === 'router') return this.#router(request, by);
    if (url.host === 'prometheus') return this.#query(url, request.timeoutMs);
    const build = this.builds.get(url.host);
    if (build === undefined || !build.up) throw new Error('connection refused');
    const headers: Record<string, string> = {};
    if (build.guid !== null) headers['x-build-guid'] = build.guid;
    if (build.environment !== null) headers['x-environment'] = build.environment;
    return { status: 200, headers, body: '' };
  }

  async #router(request: Parameters<Outside['http']>[0], by: number): Promise<HttpAnswer> {
    const gone = async () => {
      await this.pass(request.timeoutMs);
      throw new Error('timed out');
    };
    if (this.routerDown) return gone();
    if (request.method === 'GET') return { status: 200, headers: {}, body: JSON.stringify(this.says ?? this.split) };
    const split = JSON.parse(request.body ?? '{}') as Record<string, number>;
    const sentMs = this.monotonicMs;
    this.onShift(by, split);
    switch (this.fate()) {
      case 'down':
        return gone();
      case 'ignored':
        break;
      case 'refused':
        return { status: 503, headers: {}, body: 'not now' };
      case 'lie':
        this.says = split;
        break;
      case 'late':
        // What is so already needs no time to become so.
        if (JSON.stringify(split) === JSON.stringify(this.split)) this.move(split, by);
        else this.after(LATE_MS, () => this.move(split, by, sentMs));
        break;
      case 'overdue':
        this.after(LATE_MS, () => this.move(split, by, sentMs));
        return gone();
      case 'lost':
        this.move(split, by);
        return gone();
      case 'done':
        this.move(split, by);
        break;
    }
    return { status: 200, headers: {}, body: '' };
  }

  async #query(url: URL, timeoutMs: number): Promise<HttpAnswer> {
    const [, what = '', guid = ''] = /^(requests|errors)\{build="([^"]+)"\}$/.exec(url.searchParams.get('query') ?? '') ?? [];
    const counters = this.metrics.get(guid);
    const value = counters === undefined ? undefined : seen(counters)?.[what as 'requests' | 'errors'];
    if (counters?.sight === 'is down') {
      await this.pass(timeoutMs);
      throw new Error('timed out');
    }
    const result = value === undefined ? [] : [{ metric: {}, value: [this.nowMs / 1000, String(Math.floor(value))] }];
    return { status: 200, headers: {}, body: JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }) };
  }
}

function seen(counters: Counters): { readonly requests: number; readonly errors: number } | undefined {
  switch (counters.sight) {
    case 'counts':
      counters.frozen = undefined;
      return counters;
    case 'stands still':
      counters.frozen ??= { requests: counters.requests, errors: counters.errors };
      return counters.frozen;
    case 'nothing':
    case 'is down':
      return undefined;
  }
}

/** Processes of this host. */
export function identityOf(pid: number, host = 'deploy-1'): ProcessIdentity {
  return { host, boot: 'boot', pid, started: String(pid) };
}
