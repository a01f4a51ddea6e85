/** A ledger of many entries as rollouts write them, and a pointer beside it, for the benchmarks. Must not invent an entry of its own. */
import fs from 'node:fs';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { type Entry, encodeLine, lineHash, type NewEntry } from '../../src/core/ledger/ledger.ts';
import { localStore } from '../../src/stores/local.ts';
import { pointerOf, restoreOf, routesTo, stateWith } from '../break-glass/scene.ts';
import { realIo } from '../servers/real-io.ts';
import { Process } from '../simulator/process.ts';
import { CANDIDATE, furnish, planOf, promote, STABLE, watcherOf } from '../simulator/rollouts.ts';
import { SCOPE, Simulation } from '../simulator/simulation.ts';

/** What the real engine wrote down in one simulated promotion of five steps, from claim to release. */
async function entriesOfOneRollout(): Promise<readonly NewEntry[]> {
  const sim = furnish(new Simulation({ blue: 100, green: 0, grey: 0 }));
  const steps = [1, 5, 25, 50, 100].map((percent) => ({ percent, bakeMs: 60_000 }));
  const ended = await promote(sim, new Process(sim, 2), planOf({ steps }));
  if (ended.how !== 'over' || ended.state.phase !== 'done') throw new Error(`the rollout ended ${JSON.stringify(ended)}`);
  return (await watcherOf(sim).read(SCOPE)).entries;
}

/** The same entries for the n-th rollout, with builds of its own: what is known of builds grows with the ledger. */
function nth(entries: readonly NewEntry[], n: number): readonly NewEntry[] {
  const text = JSON.stringify(entries)
    .replaceAll(CANDIDATE, guidOf(n + 1))
    .replaceAll(STABLE, guidOf(n))
    .replaceAll('"r-1"', `"r-${n}"`);
  return JSON.parse(text) as NewEntry[];
}

function guidOf(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** Writes rollout after rollout until there are `count` entries, a segment for each, chained as the store chains them. Returns what was written. */
export async function writeLedger(
  stateDir: string,
  count: number,
): Promise<{ bytes: number; entries: number; segments: number }> {
  const once = await entriesOfOneRollout();
  const dir = openStateDir(stateDir, [SCOPE.tenant, SCOPE.environment, SCOPE.service, 'ledger'], fs, OWNER_ONLY);
  let prev = '0'.repeat(64);
  let seq = 0;
  let after: Entry['after'] = null;
  let bytes = 0;
  let segment = 0;
  while (seq < count) {
    segment += 1;
    const lines = nth(once, segment).map((entry, index) => {
      seq += 1;
      const line = encodeLine({ ...entry, seq, prev, after: index === 0 ? after : undefined });
      prev = lineHash(line.subarray(0, -1));
      return line;
    });
    const whole = Buffer.concat(lines);
    fs.writeFileSync(`${dir}/${String(segment).padStart(4, '0')}.jsonl`, whole, { mode: OWNER_ONLY.file });
    after = { segment, bytes: whole.length, sha256: prev, torn: 0 };
    bytes += whole.length;
  }
  return { bytes, entries: seq, segments: segment };
}

/** Reads and verifies all of it, as every command does, and says how many entries there are. */
export async function readLedger(stateDir: string): Promise<number> {
  return (await localStore(stateDir, realIo).read(SCOPE)).entries.length;
}

/**
 * Appends entries, one after the other, behind that ledger, and calls `measured` with the reading of a process that had read it all
 * before. The claim comes first, since only a leader appends.
 */
export async function readIncrements(stateDir: string, count: number, measured: (read: () => Promise<unknown>) => Promise<void>) {
  const [reader, writer] = [localStore(stateDir, realIo), localStore(stateDir, realIo)];
  let seq = (await reader.read(SCOPE)).entries.length;
  const by = realIo.self();
  const claim = { by, actor: 'alice', command: 'promote', from: null };
  const events = [{ type: 'claimed', atMs: 1, claim } as const, ...Array.from({ length: count }, () => NOTE)];
  for (const event of [...events, { type: 'released', atMs: 1 } as const]) {
    seq += 1;
    const answer = await writer.append(SCOPE, seq, {
      at: '2026-11-21T10:00:00Z',
      actor: 'alice',
      host: by.host,
      boot: by.boot,
      event,
    });
    if (answer !== 'ok') throw new Error(`entry ${seq}: ${answer}`);
    await measured(() => reader.read(SCOPE));
  }
}

const NOTE = { type: 'abort-requested', atMs: 1, actor: 'alice', reason: 'measuring' } as const;

/** A pointer whose one change writes `routes`. */
export function writePointer(stateDir: string, routes: string): void {
  stateWith(stateDir, [pointerOf({ knownGood: restoreOf(GUID, routesTo(routes, 'green')) })]);
}

/** Ten generations, each with an earlier build on four thousand servers of which it asks two thousand: what break-glass reads before it decides. */
export function writeLargePointer(stateDir: string, routes: string): void {
  const names = Array.from({ length: 4000 }, (_, at) => `green-${at}`);
  const lines = Array.from({ length: 40 }, (_, at) => names.slice(100 * at, 100 * (at + 1)));
  const large = restoreOf('7c9e6679-7425-40de-944b-e07fc1f90ae7', {
    changes: lines.map((line) => ({
      kind: 'socket',
      address: '/run/haproxy/admin.sock',
      commands: line.flatMap((name) => [`set server gateway/${name} weight 256`, `set server gateway/${name} state ready`]),
      timeoutMs: 2000,
    })),
    identity: names.slice(0, 2000).map((_, at) => ({
      kind: 'http',
      url: `http://10.0.${at >> 8}.${at & 255}:8080/healthz`,
      header: 'x-build-guid',
      equals: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
      timeoutMs: 2000,
    })),
  });
  const pointer = pointerOf({ knownGood: restoreOf(GUID, routesTo(routes, 'green')), earlier: [large] });
  stateWith(stateDir, new Array(10).fill(pointer));
}

const GUID = '0b9f1c2d-1111-4111-8111-000000000011';
