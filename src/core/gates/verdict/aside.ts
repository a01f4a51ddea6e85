/** What a verdict does not rest on, in words: metrics that were not seen, and those seen in part. No I/O. */
import type { Evidence, GateData } from '../evidence/evidence.ts';

/** `latency is not seen: …` for each metric that the last poll could not see. */
export function unseenTexts({ unseen = {} }: Pick<GateData, 'unseen'>): string[] {
  return Object.entries(unseen).map(([metric, why]) => `${metric} is not seen: ${why}`);
}

/** The same of all gates, and what their sources say of how they count: for a verdict that is certain without it. */
export function asideTexts({ gates }: Evidence): string[] {
  return Object.values(gates).flatMap((data) => [...unseenTexts(data), ...(data.notes ?? [])]);
}
