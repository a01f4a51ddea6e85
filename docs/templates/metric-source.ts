/** The toy source: counts that a program writes into a JSON file. Copy it to src/metrics/<kind>.ts. Must not turn missing data into a zero. */

import * as z from 'zod';
import type { ArmCounters } from '../core/gates/counting/counters.ts';
import { STATUS_METRICS, statusCounters } from '../core/gates/counting/statuses.ts';
import { bothBuilds, measurementOf } from './arms.ts';
import type { MetricSource, Question } from './metric-source.ts';

const config = z.strictObject({ file: z.string().regex(/^\//, 'an absolute path') });
type Config = z.infer<typeof config>;

/** Requests of each place by status, since the program began to count. */
const counts = z.record(z.string(), z.record(z.string(), z.int().nonnegative()));

export const toy: MetricSource<Config> = {
  kind: 'toy',
  summary: 'requests by status in a JSON file, for people who write a metric source',
  config,
  ofRouter: false,
  countsTraffic: () => true,
  metrics: () => STATUS_METRICS,
  lagMs: () => 0,
  unseen: () => ['latency', 'gRPC statuses', 'retries', 'slices'],
  measure: async (settings, question, io) => measurementOf(armOf(settings, question, io)),
  count: (settings, pair, io) => bothBuilds(pair, (question) => armOf(settings, question, io)),
  describe: ({ file }, { place }) => `the counts of ${place} in ${file}`,
};

/** One build's raw totals, or the reason why there are none. */
function armOf({ file }: Config, { place }: Question, io: Parameters<typeof toy.count>[2]): ArmCounters {
  try {
    const byStatus = counts.parse(JSON.parse(String(io.fs.readFileSync(file, 'utf8'))))[place];
    if (byStatus === undefined) return { missing: `${file} does not count ${place}` };
    const counters = statusCounters(byStatus, STATUS_METRICS);
    return { targets: { [file]: { startedMs: null, freshMs: io.now(), counters, downs: null } } };
  } catch (error) {
    return { missing: `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}
