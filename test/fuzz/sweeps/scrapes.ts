/** What a Prometheus answers poll after poll about two builds, mended and broken; and a strict reader of it. Must share nothing with ours. */
import { hostileText, hostileValue, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { damagedText } from '../text-forms.ts';

/** What the gate asks for. */
export interface Form {
  readonly name: string;
  readonly status: boolean;
  readonly errors: boolean;
  readonly slices: boolean;
  readonly latency: boolean;
  readonly calibrated: boolean;
}

/** The answers of one poll; a text is sent as it is. */
export interface Poll {
  readonly waitMs: number;
  readonly status: number;
  readonly counts: unknown;
  readonly latency: unknown;
}

type Arm = 'candidate' | 'stable';
/** Requests and failures so far, by process and slice. */
type Totals = Map<
  string,
  { readonly arm: Arm; readonly instance: string; readonly region: string; requests: number; errors: number }
>;

const BOUNDS = ['0.1', '1', '+Inf'];

/** The members of a place with replicas. */
const TEN = Array.from({ length: 10 }, (_, index) => `10.0.0.${index}:1`);

interface Plan {
  readonly instances: readonly string[];
  readonly regions: readonly string[];
  /** Requests of one process and slice in one poll, and the part of them that the candidate fails. */
  readonly each: number;
  readonly rate: number;
}

/** So many polls after the first look. Most are as they should be; a few are late, cut, reset, renamed or nonsense. */
export function pollsOf(luck: Luck, form: Form, count: number): Poll[] {
  const plan: Plan = {
    instances: luck.pick([['a:1'], ['a:1', 'b:1'], TEN, [luck.pick(['__proto__', 'constructor', hostileText(luck)])]]),
    regions: form.slices
      ? luck.pick([['eu'], ['eu', 'us'], ['eu', 'other'], ['eu', luck.pick(['__proto__', 'constructor', hostileText(luck)])]])
      : [''],
    each: luck.pick([0, 20, 200, 1e6, 1e12]),
    rate: luck.pick([0, 0, 0, 0.01, 0.3, 1]),
  };
  const calm = luck.chance(0.6);
  const totals: Totals = new Map();
  return Array.from({ length: count + 1 }, (_, at) => {
    grow(luck, plan, totals);
    const odd = !calm && luck.chance(at === 0 ? 0.1 : 0.25);
    if (odd && luck.chance(0.4)) happen(luck, totals);
    const seconds = 1_700_000_000 + at;
    const poll: Poll = {
      waitMs: 1100,
      status: 200,
      counts: countsOf(totals, form, seconds),
      latency: latencyOf(totals, seconds),
    };
    return odd ? broken(luck, poll) : poll;
  });
}

function grow(luck: Luck, { instances, regions, each, rate }: Plan, totals: Totals): void {
  for (const arm of ['candidate', 'stable'] as const)
    for (const instance of instances)
      for (const region of regions) {
        const key = JSON.stringify([arm, instance, region]);
        const total = totals.get(key) ?? { arm, instance, region, requests: 0, errors: 0 };
        const more = Math.floor(each * (0.9 + 0.2 * luck.next()));
        total.requests += more;
        total.errors += arm === 'candidate' ? Math.floor(more * rate) : 0;
        totals.set(key, total);
      }
}

/** What processes do: begin anew, go back a little, vanish. */
function happen(luck: Luck, totals: Totals): void {
  const [key, total] = luck.pick([...totals]);
  if (luck.chance(0.3)) totals.delete(key);
  else if (luck.chance(0.5)) Object.assign(total, { requests: 0, errors: 0 });
  else total.requests = Math.max(total.errors, total.requests - 1 - luck.below(300));
}

function vector(series: readonly (readonly [Record<string, string>, number])[], seconds: number): unknown {
  const result = series.map(([metric, value]) => ({ metric, value: [seconds, String(value)] }));
  return { status: 'success', data: { resultType: 'vector', result } };
}

function labelsOf(
  { arm, instance, region }: { arm: Arm; instance: string; region: string },
  counter: string,
): Record<string, string> {
  return { kvdeploy_build: arm, kvdeploy_counter: counter, instance, ...(region === '' ? {} : { region }) };
}

function countsOf(totals: Totals, { status, errors }: Form, seconds: number): unknown {
  const series = [...totals.values()].flatMap((total) => {
    const { requests, errors: failed } = total;
    const labels = labelsOf(total, 'requests');
    const requested = status
      ? [
          [{ ...labels, code: '200' }, requests - failed] as const,
          ...(failed > 0 ? [[{ ...labels, code: '503' }, failed] as const] : []),
        ]
      : [[labels, requests] as const];
    const { region: _, ...process } = labelsOf(total, 'seen');
    return [...requested, ...(errors ? [[labelsOf(total, 'errors'), failed] as const] : []), [process, seconds] as const];
  });
  const once = new Map(series.map((each) => [JSON.stringify(each[0]), each]));
  return vector([...once.values()], seconds);
}

function latencyOf(totals: Totals, seconds: number): unknown {
  const series = [...totals.values()].flatMap((total) =>
    BOUNDS.map(
      (le) => [{ ...labelsOf(total, 'latency'), le }, le === '+Inf' ? total.requests : total.requests - total.errors] as const,
    ),
  );
  return vector(series, seconds);
}

function broken(luck: Luck, poll: Poll): Poll {
  switch (luck.below(7)) {
    case 0:
      return { ...poll, status: luck.pick([204, 400, 503, 0]) };
    case 1:
      return { ...poll, counts: damagedText(luck, JSON.stringify(poll.counts)) };
    case 2:
      return { ...poll, latency: mutated(luck, poll.latency) };
    case 3:
      return { ...poll, counts: luck.chance(0.5) ? hostileValue(luck) : hostileText(luck) };
    case 4:
      return { ...poll, waitMs: luck.pick([0, 100, 5000, 120_000, 1e9]) };
    case 5:
      return { ...poll, counts: withoutSome(luck, poll.counts) };
    default:
      return { ...poll, counts: mutated(luck, poll.counts) };
  }
}

/** Series that went missing, of a label or all of them. */
function withoutSome(luck: Luck, counts: unknown): unknown {
  const { status, data } = counts as {
    status: string;
    data: { resultType: string; result: readonly { metric: Record<string, string> }[] };
  };
  const gone = luck.pick(['candidate', 'stable', 'errors', 'requests', 'seen', '503', 'a:1']);
  const result = data.result.filter(({ metric }) => !Object.values(metric).includes(gone));
  return { status, data: { ...data, result } };
}

/** Requests of each build, where each is there and all of the answer can be believed. */
export function strictRequests(
  poll: Poll | undefined,
  form: Form,
): { readonly candidate: number; readonly stable: number } | undefined {
  if (poll?.status !== 200) return undefined;
  const bodies = [poll.counts, ...(form.latency ? [poll.latency] : [])];
  try {
    const all = bodies.flatMap((body) => strictSeries(typeof body === 'string' ? JSON.parse(body) : body));
    const of = (arm: Arm) => {
      const own = all.filter(({ metric }) => metric['kvdeploy_build'] === arm && metric['kvdeploy_counter'] === 'requests');
      if (own.length === 0) throw new Error(`nothing of ${arm}`);
      return own.reduce((sum, { count }) => sum + count, 0);
    };
    return { candidate: of('candidate'), stable: of('stable') };
  } catch {
    return undefined;
  }
}

function strictSeries(body: unknown): { readonly metric: Readonly<Record<string, unknown>>; readonly count: number }[] {
  const { status, warnings, data } = body as {
    status: unknown;
    warnings?: readonly unknown[];
    data: { resultType: unknown; result: { metric: Record<string, unknown>; value: unknown[] }[] };
  };
  if (status !== 'success' || (warnings ?? []).length > 0 || data.resultType !== 'vector') throw new Error('no answer');
  return data.result.map(({ metric, value: [at, text, ...more] }) => {
    const count = Number(text);
    const isTime = metric['kvdeploy_counter'] === 'seen';
    const isCount =
      typeof text === 'string' && text !== '' && count >= 0 && (isTime ? Number.isFinite(count) : Number.isSafeInteger(count));
    const isAsked = metric['kvdeploy_build'] === 'candidate' || metric['kvdeploy_build'] === 'stable';
    if (typeof at !== 'number' || more.length > 0 || !isCount || !isAsked) throw new Error('no count');
    return { metric, count };
  });
}
