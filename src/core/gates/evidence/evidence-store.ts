/** Evidence on its way to the ledger and back: shorter, and held against the settings it claims to belong to. No I/O. */
import * as z from 'zod';
import type { GateSettings } from '../gate-settings.ts';
import { type Evidence, evidenceSchema, openEvidence, streamsKey, streamsOf, VERSION } from './evidence.ts';
import type { Stream } from './evidence-stream.ts';
import type { Whole } from './whole.ts';

/** Digits of a logarithm that are kept, and how many of them at most behind the point. */
const DIGITS = 7;

const DECIMALS = 5;

/** The same with seven digits of every logarithm, rounded down: what is lost is evidence, never its absence. However far one falls, it is no longer. */
export function compactEvidence(evidence: Evidence): Evidence {
  const { streams, wholes } = evidence;
  return { ...evidence, streams: mapped(streams, (all) => all.map(compactStream)), wholes: mapped(wholes, compactWhole) };
}

/** Without the polls of the last seconds: whoever resumes begins a new window. */
function compactWhole({ surge, ...whole }: Whole): Whole {
  return { ...whole, fast: whole.fast.map(rounded), surge: { ...surge, polls: [], logs: surge.logs.map(rounded) } };
}

function compactStream(stream: Stream): Stream {
  return {
    ...stream,
    share: stream.share.map(rounded),
    absolute: stream.absolute.map(rounded),
    count: stream.count.map(rounded),
    harmBound: stream.harmBound.map(rounded),
  };
}

function rounded(log: number): number {
  const before = Math.abs(log) < 10 ? 1 : 1 + Math.floor(Math.log10(Math.abs(log)));
  const unit = 10 ** Math.min(DECIMALS, Math.max(0, DIGITS - before));
  return Math.floor(log * unit) / unit;
}

const PROCESSES = ['share', 'absolute', 'count', 'harmBound'] as const;

const COUNTS = ['open', 'step', 'all', 'recent', 'last'] as const;

/** The streams of one metric on a line of the ledger. */
const storedStreamsSchema = z.strictObject({
  /** Every list of logarithms once: streams that saw no failure have the same. */
  logs: z.array(z.array(z.number())),
  /** Of each stream: where in `logs` its share, absolute, count and bound are, then its open, step, all, recent and last. */
  streams: z.array(z.array(z.number().min(0)).length(20)),
});

type StoredStreams = z.infer<typeof storedStreamsSchema>;

/** Evidence as a line of the ledger has it, of this version. */
const currentSchema = evidenceSchema
  .extend({ streams: z.record(z.string(), storedStreamsSchema) })
  .transform(({ streams, ...rest }): Evidence => ({ ...rest, streams: mapped(streams, unpacked) }));

/** Of an older version only what it came to is read: it has no streams, so it fits no settings, and counts as lost. */
const olderSchema = z
  .object({
    ...evidenceSchema.shape,
    version: z.literal(1),
    gates: z.unknown(),
    streams: z.unknown(),
    wholes: z.unknown().optional(),
  })
  .transform((older): Evidence => ({ ...older, version: VERSION, gates: {}, streams: {}, wholes: {} }));

export const storedEvidenceSchema = z.union([currentSchema, olderSchema]);

/** Evidence as it is written on a line of the ledger; storedEvidenceSchema reads it, to the last bit. */
export function storedEvidence({ streams, ...rest }: Evidence): z.input<typeof currentSchema> {
  return { ...rest, streams: mapped(streams, packed) };
}

function packed(streams: readonly Stream[]): StoredStreams {
  const places = new Map<string, number>();
  const logs: number[][] = [];
  const placeOf = (list: number[]) => {
    const key = list.join();
    const place = places.get(key) ?? logs.push(list) - 1;
    places.set(key, place);
    return place;
  };
  const all = streams.map((stream) => [
    ...PROCESSES.map((name) => placeOf(stream[name])),
    ...COUNTS.flatMap((name): readonly number[] => stream[name]),
  ]);
  return { logs, streams: all };
}

function unpacked({ logs, streams }: StoredStreams): Stream[] {
  return streams.map((all) => {
    // Of a list that is not there the evidence is lost, which misfit notices.
    const [share = [], absolute = [], count = [], harmBound = []] = all.slice(0, 4).map((place) => logs[place] ?? []);
    const at = (index: number) => all[index] ?? 0;
    const four = (from: number): Stream['open'] => [at(from), at(from + 1), at(from + 2), at(from + 3)];
    return {
      share,
      absolute,
      count,
      harmBound,
      open: four(4),
      step: four(8),
      all: four(12),
      recent: [at(16), at(17)],
      last: [at(18), at(19)],
    };
  });
}

function mapped<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}

/** Why this evidence cannot be of these settings; undefined when it can. Evidence that does not fit is lost evidence. */
export function misfit(settings: GateSettings, evidence: Evidence): string | undefined {
  const fresh = openEvidence(settings, evidence);
  for (const metric of settings.metrics) {
    const key = streamsKey(metric);
    const [has, needs] = [streamsOf(evidence, metric), streamsOf(fresh, metric)];
    if (!Object.hasOwn(evidence.gates, metric.gate) || has.length !== needs.length)
      return `${key} has ${has.length} streams, but the settings need ${needs.length}`;
    if (!Object.hasOwn(evidence.wholes, key) && Object.hasOwn(fresh.wholes, key)) return `${key} was judged by other processes`;
    if (has.some((stream, index) => PROCESSES.some((name) => stream[name].length !== needs[index]?.[name].length)))
      return `${key} was judged by other processes`;
  }
  return undefined;
}
