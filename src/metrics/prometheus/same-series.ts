/** Whether both builds are counted by the same series: then no difference between them could ever show. */
import type { Io } from '../../io.ts';
import { briefly } from '../arms.ts';
import type { Pair } from '../metric-source.ts';
import { filled, selectorsOf } from './placeholders.ts';
import { askPrometheus, type Series, type Server } from './prometheus-answer.ts';
import { type Arm, BUILD_LABEL, COUNTER_LABEL, labelled } from './prometheus-counters.ts';

/** Asks for the series themselves, below any sum of a query. Undefined where none is shared, and where the server does not say. */
export async function sharedSeries(server: Server, queries: readonly string[], pair: Pair, io: Io): Promise<string | undefined> {
  const { candidate, stable } = pair;
  const selectors = [...new Set(queries.flatMap(selectorsOf))];
  if (stable === null || selectors.length === 0) return undefined;
  const arms = [['candidate', candidate] as const, ['stable', stable] as const];
  const parts = selectors.flatMap((selector, index) =>
    arms.map(([arm, question]) => labelled(filled(selector, question), arm, String(index))),
  );
  const answer = await askPrometheus(server, parts.join(' or '), io);
  if ('missing' in answer) return undefined;
  const ofArm = (arm: Arm) => answer.series.filter(({ labels }) => labels[BUILD_LABEL] === arm).map(nameOf);
  const theirs = new Set(ofArm('stable'));
  const shared = ofArm('candidate').find((name) => theirs.has(name));
  return shared === undefined ? undefined : sameText(shared);
}

/** The same of an answer with counts, as cheap as it must be at every poll: what a sum made has no name, and is not compared. */
export function sameSeriesIn(series: readonly Series[]): string | undefined {
  const named = series.filter(({ labels }) => labels['__name__'] !== undefined && labels[COUNTER_LABEL] === 'requests');
  const ours = named.filter(({ labels }) => labels[BUILD_LABEL] === 'candidate');
  const theirs = named.filter(({ labels }) => labels[BUILD_LABEL] === 'stable');
  for (const [some, others] of [
    [ours, theirs],
    [theirs, ours],
  ] as const) {
    const [first] = some;
    if (first !== undefined && others.some((other) => isSame(first, other))) return sameText(nameOf(first));
  }
  return undefined;
}

function isSame({ labels: ours }: Series, { labels: theirs }: Series): boolean {
  const names = Object.keys(ours);
  if (names.length !== Object.keys(theirs).length) return false;
  return names.every((name) => name === BUILD_LABEL || ours[name] === theirs[name]);
}

function nameOf({ labels }: Series): string {
  const { __name__: name = '', [BUILD_LABEL]: _arm, [COUNTER_LABEL]: _counter, ...rest } = labels;
  const inside = Object.entries(rest)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${name}{${inside.join(',')}}`;
}

function sameText(name: string): string {
  return `both builds are counted by the same series, ${briefly(name)}: name them by something that tells them apart, such as \${place} or \${build}`;
}
