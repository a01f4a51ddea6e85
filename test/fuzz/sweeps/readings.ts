/** Readings of comparing gates, poll after poll, through the engine's own counting and judging: nothing unread leads on. */
import { isDeepStrictEqual } from 'node:util';
import { judge } from '../../../src/core/gates/verdict/judge.ts';
import { type EvidenceRecord, evidenceRecordSchema, storedRecord } from '../../../src/core/ledger/events.ts';
import { type State, start } from '../../../src/core/rollout/rollout.ts';
import { Comparing } from '../../../src/engine/compare.ts';
import { lookAtComparison } from '../../../src/engine/look-at-gates.ts';
import type { Io } from '../../../src/io.ts';
import { CANDIDATE, promotion, SCOPE, STABLE } from '../../core/manifest/builds.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustPrintSafely } from '../terminal.ts';
import { type Form, type Poll, pollsOf, strictRequests } from './scrapes.ts';

interface Readings {
  readonly form: Form;
  /** The first is what is seen before the rollout. */
  readonly polls: readonly Poll[];
  /** Another process goes on with what the ledger kept, before this poll. */
  readonly resumed: number;
}

const READING = { locations: [], places: [], split: [] } as never;

/** A Prometheus, which says what the poll at `at` holds. */
class Scraped {
  at = 0;
  asked = 0;
  #ms = 0;
  readonly #polls: readonly Poll[];

  constructor(polls: readonly Poll[]) {
    this.#polls = polls;
  }

  get poll(): Poll | undefined {
    return this.#polls[this.at];
  }

  next(): void {
    this.at += 1;
    this.#ms += this.poll?.waitMs ?? 0;
  }

  readonly io = {
    now: () => 1_700_000_000_000 + this.#ms,
    monotonic: () => this.#ms,
    sleep: async () => undefined,
    http: async ({ url }: { readonly url: string }) => {
      this.asked = this.at;
      const { status = 500, counts, latency } = this.poll ?? {};
      const body = url.includes('%22latency%22') ? latency : counts;
      return { status, headers: {}, body: typeof body === 'string' ? body : (JSON.stringify(body) ?? '') };
    },
  } as unknown as Io;
}

function gateOf({ name, status, slices, latency, errors }: Form) {
  const query = (counter: string) => `${counter}{build="\${build}"}`;
  const settings = {
    url: 'http://127.0.0.1:9090',
    requests: query('r'),
    interval: '1ms',
    ...(errors ? { errors: query('e') } : {}),
    ...(status ? { status: 'code' } : {}),
    ...(slices ? { slices: 'region' } : {}),
    ...(latency ? { latency: query('l') } : {}),
  };
  const compared = { ruleOut: { times: 2, plus: 0.5 }, clusters: 1, traffic: false };
  return { name, source: 'prometheus', settings, compare: compared };
}

async function judgeReadings(run: Readings): Promise<string> {
  if (!Array.isArray(run.polls) || typeof run.form?.name !== 'string') return 'silent';
  const said = new Set<string>();
  const end = await walked(run, said);
  mustPrintSafely([...said].map((message) => ({ type: 'note', level: 'warning', message })));
  return end;
}

async function walked({ form, polls, resumed }: Readings, said: Set<string>): Promise<string> {
  const scraped = new Scraped(polls);
  const builds = { scope: SCOPE, candidate: CANDIDATE, stable: STABLE };
  const limits = {
    dwellMs: 0,
    blockMs: 1000,
    unverifiedShare: 1,
    ...(form.calibrated ? { calibrated: true, leastLogE: 1 } : {}),
  };
  const seen = await lookAtComparison([gateOf(form)], limits, builds, READING, async () => READING, scraped.io);
  for (const { silent } of seen.gates) if (silent !== undefined) said.add(silent);
  if (seen.comparison === undefined) return 'silent';
  const plan = { ...promotion([50, 100]), gates: [], comparison: seen.comparison, pollMs: 50 };
  let state: State = { ...start(plan), phase: 'baking' };
  let comparing = new Comparing(scraped.io);
  let end = 'held';
  for (scraped.next(); scraped.poll !== undefined; scraped.next()) {
    if (scraped.at === resumed) comparing = new Comparing(scraped.io);
    const compared = await comparing.poll(state, READING);
    if (compared === undefined) throw new Error('nothing was compared');
    state = { ...state, evidence: mustKeep(compared.record) };
    const { verdict, gates } = judge({ router: [], limited: [], compared: compared.gates, patience: null });
    for (const { why } of gates) said.add(why);
    if (verdict === 'give-up' || verdict === 'fail') return 'went back';
    if (verdict !== 'pass') continue;
    mustHaveBeenRead(polls, scraped.asked, form);
    end = 'went on';
    if (state.step > 0) return end;
    state = { ...state, step: 1 };
  }
  return end;
}

/** Who moves on has read both builds just now, and requests of the candidate that were not there before. */
function mustHaveBeenRead(polls: readonly Poll[], at: number, form: Form): void {
  const now = strictRequests(polls[at], form);
  must(now !== undefined, `it goes on after poll ${at}, which nobody can read`);
  const before = polls.slice(1, at).map((poll) => strictRequests(poll, form)?.candidate);
  must(
    before.some((requests) => requests !== undefined && requests < now.candidate),
    `it goes on after poll ${at}, by which the candidate had no request more`,
  );
}

/** The record as the ledger gives it back, which is the same. Its counts are counts. */
function mustKeep(record: EvidenceRecord): EvidenceRecord {
  const { evidence, counters } = record;
  for (const [key, streams] of Object.entries(evidence.streams))
    for (const { open, step, all, recent, last } of streams)
      for (const counts of [open, step, all, recent, last])
        if (!areCounts(counts)) throw new Error(`${key}: ${counts.join()} are no counts`);
  must(Number.isFinite(evidence.logE), `ln E is ${evidence.logE}`);
  const written = JSON.parse(JSON.stringify(storedRecord(record)));
  const read = evidenceRecordSchema.safeParse(written);
  must(read.success, `the ledger cannot hold it: ${read.error?.message.slice(0, 200)}`);
  must(isDeepStrictEqual(read.data, JSON.parse(JSON.stringify({ evidence, counters }))), 'the ledger gives back another record');
  return read.data;
}

/** Pairs of requests and, of those, failures. */
function areCounts(counts: readonly number[]): boolean {
  return counts.every((count, index) => {
    const most = index % 2 === 0 ? Number.MAX_VALUE : (counts[index - 1] ?? 0);
    return count >= 0 && count <= most;
  });
}

export const readings: Sweep<Readings> = {
  name: 'readings',
  what: 'runs of readings that a gate compares',
  kind: 'objects',
  share: 0.005,
  make: (luck: Luck) => {
    const form: Form = {
      name: luck.chance(0.1) ? 'constructor' : 'errors',
      ...(luck.chance(0.7) ? { status: false, errors: true } : { status: true, errors: luck.chance(0.5) }),
      slices: luck.chance(0.3),
      latency: luck.chance(0.2),
      calibrated: luck.chance(0.3),
    };
    const polls = pollsOf(luck, form, luck.chance(0.5) ? 11 : 2 + luck.below(5));
    return { form, polls, resumed: luck.chance(0.3) ? 1 + luck.below(10) : 0 };
  },
  judge: judgeReadings,
  must: ['held', 'went on'],
};
