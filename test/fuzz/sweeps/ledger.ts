/** Ledger segments, edited: a changed line is refused, or it is the last one and the hash of the ledger's end shows it. */
import { countersSince, NO_COUNTERS, type Target } from '../../../src/core/gates/counting/counters.ts';
import { compactEvidence } from '../../../src/core/gates/evidence/evidence-store.ts';
import { WHOLE } from '../../../src/core/gates/gate-settings.ts';
import { type Chain, readSegments, type Segment } from '../../../src/core/ledger/chain.ts';
import type { Event, EvidenceRecord } from '../../../src/core/ledger/events.ts';
import { fold } from '../../../src/core/ledger/history.ts';
import { EMPTY_HEAD, type Entry, encodeLine, type Head, lineHash, parseEntry } from '../../../src/core/ledger/ledger.ts';
import { blockOf, counted, fed, settingsOf } from '../../core/gates/verdict/judged.ts';
import { adoption, CANDIDATE, promotion, rollbackTo, STABLE } from '../../core/manifest/builds.ts';
import { editedText, hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { damagedText } from '../text-forms.ts';

const by = { host: 'deploy-1', boot: 'boot', pid: 7, started: '1' };
const claimed: Event = { type: 'claimed', atMs: 1, claim: { by, actor: 'alice', command: 'promote', from: null } };

/** What a comparing gate keeps: evidence of the whole and of two slices, and the counters that it goes on from. */
function comparedRecord(): EvidenceRecord {
  const slices = ['eu', 'other'].map((name) => ({ name, weight: 0.25 }));
  const settings = settingsOf({ calibrated: true }, { weight: 0.5, slices });
  const poll = counted({ [WHOLE]: blockOf([1, 150, 14, 14_850]), eu: blockOf([1, 70, 4, 7000]) });
  const target = (startedMs: number | null): Target => ({
    startedMs,
    freshMs: 15_000,
    counters: [{ counter: 'requests', slice: 'eu', value: 70 }],
    downs: 1,
  });
  const reading = { candidate: { targets: { 'a:1': target(1) } }, stable: { targets: { 'b:1': target(null) } } };
  const counters = { errors: countersSince(NO_COUNTERS, reading, 0).memory };
  return { evidence: compactEvidence(fed(settings, [poll, poll, poll])), counters };
}

const compared = comparedRecord();

const EVENTS: readonly Event[] = [
  { type: 'planned', atMs: 1, plan: adoption(STABLE) },
  { type: 'planned', atMs: 1, plan: promotion([10, 100]) },
  { type: 'planned', atMs: 1, plan: rollbackTo(STABLE, CANDIDATE, { reason: 'slow' }) },
  { type: 'prepared', atMs: 1, generation: 3 },
  { type: 'shifted', atMs: 1, split: [{ place: 'green', build: null, percent: 100 }], certainty: 'configured' },
  { type: 'converged', atMs: 1, baseline: { errors: { requests: 5, errors: 1, counting: 'total' } }, certainty: 'served' },
  { type: 'polled', atMs: 1, verdict: 'pass', watchedMs: 60_000, missingMs: 0, advance: true, gates: [] },
  {
    type: 'polled',
    atMs: 1,
    verdict: 'hold',
    watchedMs: 60_000,
    missingMs: 0,
    advance: true,
    gates: [
      {
        gate: 'errors',
        verdict: 'hold',
        why: '1 of 150 (0.67 %) failed',
        requests: 150,
        errors: 1,
        evidence: { fail: 0.1, pass: 0.2, logE: 0.3, neededLogE: 4.6, slice: 'eu' },
      },
    ],
    evidence: compared,
    checkpoint: true,
  },
  { type: 'pointed', atMs: 1, generation: 4, warnings: [] },
  { type: 'abort-requested', atMs: 1, actor: 'bob', reason: 'no' },
  { type: 'left', atMs: 1, why: 'max-wait' },
  { type: 'reconciled', atMs: 1, reason: 'reviewed', serving: STABLE.guid, bad: [CANDIDATE.guid], records: [] },
];

interface Ledger {
  readonly lines: readonly (readonly string[])[];
  readonly chain: Chain;
}

const built = new Map<string, Ledger>();

/** A whole ledger of so many events in each segment; the last segment of a longer one is still open. */
function ledgerOf(shape: readonly number[]): Ledger {
  const key = shape.join();
  const known = built.get(key);
  if (known !== undefined) return known;
  const lines: string[][] = [];
  let head: Head = EMPTY_HEAD;
  for (const [index, events] of shape.entries()) {
    const before = lines[index - 1];
    const accepted = before && { segment: index, bytes: Buffer.byteLength(before.join('')), sha256: head.hash, torn: 0 };
    const isLast = index === shape.length - 1;
    const all = [claimed, ...Array.from({ length: events }, (_, at) => EVENTS[(index * 3 + at) % EVENTS.length] ?? claimed)];
    const whole: Event[] = isLast ? all : [...all, { type: 'released', atMs: 1 }];
    const own: string[] = [];
    for (const [at, event] of whole.entries()) {
      const entry: Entry = {
        seq: head.seq + 1,
        prev: head.hash,
        at: '2026-01-02T12:00:00.000Z',
        actor: 'alice',
        host: 'h',
        boot: 'b',
        event,
      };
      const line = encodeLine(at === 0 ? { ...entry, after: accepted ?? null } : entry);
      own.push(line.toString());
      head = { seq: entry.seq, hash: lineHash(line.subarray(0, -1)) };
    }
    lines.push(own);
  }
  const chain = readSegments(segmentsOf(lines));
  if ('why' in chain) throw new Error(`the test's own ledger is damaged: ${chain.why}`);
  built.set(key, { lines, chain });
  return { lines, chain };
}

function segmentsOf(lines: readonly (readonly string[])[]): Segment[] {
  return lines.map((own, index) => ({ number: index + 1, file: `${index + 1}.jsonl`, bytes: Buffer.from(own.join('')) }));
}

type Edit =
  | { readonly act: 'value' | 'text' | 'rewrite'; readonly segment: number; readonly line: number; readonly seed: string }
  | { readonly act: 'drop' | 'twice' | 'swap' | 'cut' | 'number'; readonly segment: number; readonly line: number };

/** Deterministic, so that an input is its shape and its edits. */
function edited(
  lines: readonly (readonly string[])[],
  edit: Edit,
  luckOf: (seed: string) => Luck,
): readonly (readonly string[])[] {
  if (lines.length === 0) return lines;
  const segment = edit.segment % lines.length;
  const own = lines[segment] ?? [];
  if (own.length === 0) return lines;
  const at = edit.line % own.length;
  const line = own[at] ?? '';
  const next = (now: readonly string[]) => lines.with(segment, now);
  switch (edit.act) {
    case 'value':
      return next(own.with(at, `${JSON.stringify(mutated(luckOf(edit.seed), readJson(line)))}\n`));
    case 'text':
      return next(own.with(at, editedText(luckOf(edit.seed), line)));
    case 'rewrite':
      return next(own.with(at, damagedText(luckOf(edit.seed), line)));
    case 'drop':
      return next(own.toSpliced(at, 1));
    case 'twice':
      return next(own.toSpliced(at, 0, line));
    case 'swap':
      return next(own.with(at, own[at + 1] ?? line).with(Math.min(at + 1, own.length - 1), line));
    case 'cut':
      return next([...own.slice(0, at), line.slice(0, Math.floor(line.length / 2))]);
    case 'number':
      return lines.toSpliced(segment, 1);
  }
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return line;
  }
}

interface LedgerInput {
  readonly shape: readonly number[];
  readonly edits: readonly Edit[];
}

export function ledgerSweep(luckOf: (seed: string) => Luck): Sweep<LedgerInput> {
  return {
    name: 'ledger-segments',
    what: 'ledgers with edited lines',
    kind: 'objects',
    share: 0.1,
    make: (luck) => ({
      shape: [luck.below(4), ...luck.some(2, () => luck.below(4))],
      edits: luck.some(2, (): Edit => {
        const act = luck.pick(['value', 'value', 'text', 'rewrite', 'drop', 'twice', 'swap', 'cut', 'number'] as const);
        return { act, segment: luck.below(3), line: luck.below(6), seed: String(luck.next()) };
      }),
    }),
    judge: ({ shape, edits }) => {
      if (shape.length === 0) return 'refused';
      const { lines, chain: original } = ledgerOf(shape);
      const now = edits.reduce<readonly (readonly string[])[]>((all, edit) => edited(all, edit, luckOf), lines);
      const read = readSegments(segmentsOf(now));
      if ('why' in read) return 'refused';
      mustBeHonest(read, original);
      return 'read';
    },
    must: ['refused', 'read'],
  };
}

/** What was read is the beginning of what was written; only the last line may differ, and then the end's hash does, too. */
function mustBeHonest(read: Chain, original: Chain): void {
  const text = (entry: Entry | undefined) => JSON.stringify(entry);
  const last = read.entries.length - 1;
  for (const [index, entry] of read.entries.entries()) {
    if (index < last) must(text(entry) === text(original.entries[index]), `entry ${index + 1} was changed and believed`);
  }
  if (read.head.hash === original.head.hash) must(read.entries.length === original.entries.length, 'one end, two ledgers');
  if (last >= 0 && text(read.entries[last]) !== text(original.entries[last])) {
    must(read.head.hash !== original.head.hash, 'the last line was changed, and the hash of the end does not show it');
  }
  must(fold(read.entries).nextSeq === read.entries.length + 1, 'the history lost count');
}

/** One line alone: a line that is believed says in every reading of JSON what it says in ours. */
export const ledgerLines: Sweep<string> = {
  name: 'ledger-lines',
  what: 'single ledger lines',
  kind: 'texts',
  share: 0.1,
  make: (luck) => {
    const { lines } = ledgerOf([4, 6]);
    const line = luck.pick(lines.flat()).trimEnd();
    if (luck.chance(0.2)) return line;
    if (luck.chance(0.3)) return JSON.stringify(mutated(luck, JSON.parse(line)));
    return luck.chance(0.1) ? hostileText(luck) : damagedText(luck, line);
  },
  judge: (line) => {
    const raw = Buffer.from(line);
    const entry = parseEntry(raw);
    if (entry === undefined) return 'refused';
    must(raw.toString() === JSON.stringify(JSON.parse(raw.toString())), 'a line with a second reading was believed');
    must(encodeLine(entry).length > 0, 'an entry was read that cannot be written');
    return 'read';
  },
  must: ['refused', 'read'],
};
