/** PromQL for every counter of both builds at once, each series labelled with what it counts. Must keep a user's query whole. */
import type { Pair, Question } from '../metric-source.ts';

/** Labels that tell the parts of one answer apart. */
export const BUILD_LABEL = 'kvdeploy_build';

export const COUNTER_LABEL = 'kvdeploy_counter';

/** What tells one counting process from another; `exported_` where a federation put its own names above theirs. */
export const PROCESS_LABELS = ['job', 'instance', 'exported_job', 'exported_instance'] as const;

export type Arm = 'candidate' | 'stable';

/** `seen` is when the newest sample of each process was scraped, in seconds. */
export type Counter = 'requests' | 'errors' | 'latency' | 'seen';

export interface Queries {
  readonly requests: string;
  readonly errors?: string | undefined;
  readonly latency?: string | undefined;
}

/** One query for the requests and errors of both builds, and when they were scraped. */
export function countsQuery({ requests, errors }: Queries, pair: Pair): string {
  return union(pair, (question) => {
    const query = filled(requests, question);
    const seen = `max by (${PROCESS_LABELS.join(', ')}) (timestamp(\n${query}\n))`;
    return { requests: query, seen, ...(errors === undefined ? {} : { errors: filled(errors, question) }) };
  });
}

/** One query for the buckets of both builds. */
export function latencyQuery(latency: string, pair: Pair): string {
  return union(pair, (question) => ({ latency: filled(latency, question) }));
}

function union(pair: Pair, parts: (question: Question) => Partial<Record<Counter, string>>): string {
  const arms = [['candidate', pair.candidate] as const, ['stable', pair.stable] as const];
  const queries = arms.flatMap(([arm, question]) =>
    question === null ? [] : Object.entries(parts(question)).map(([counter, query]) => labelled(query, arm, counter)),
  );
  return queries.join(' or ');
}

/** Each query stands on lines of its own, so that a comment at its end hides nothing of ours. */
function labelled(query: string, arm: Arm, counter: string): string {
  return `label_replace(label_replace(\n${query}\n, "${BUILD_LABEL}", "${arm}", "", ""), "${COUNTER_LABEL}", "${counter}", "", "")`;
}

export function filled(query: string, { build, place }: Question): string {
  return query.replace(/\$\{(build|place)\}/g, (_whole, name: string) => quoted(name === 'build' ? build : place));
}

/** Safe inside a PromQL string, whichever of the two quotes it stands in. */
function quoted(value: string): string {
  return value.replace(/[\\"'`]/g, '\\$&').replace(/\n/g, '\\n');
}
