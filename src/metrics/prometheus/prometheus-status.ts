/** What the values of a status label are: HTTP statuses, classes of them, or gRPC codes. Must not take one kind for another. No I/O. */

import * as z from 'zod';
import type { Hidden } from '../../core/gates/counting/counters.ts';
import { CLASS_METRICS, GRPC_METRICS, grpcCode, STATUS_METRICS } from '../../core/gates/counting/statuses.ts';
import { briefly } from '../arms.ts';
import type { Series } from './prometheus-answer.ts';

const NO_STATUS = 'a status such as 301, 3xx, or NOT_FOUND for gRPC';

/** The key `expect`: statuses, classes of them, or gRPC codes. A word that is none would be expected in vain. */
export const expectSchema = z
  .array(
    z.union([
      z.int().min(101, NO_STATUS).max(499, 'a 5xx is always an error'),
      z
        .string()
        .regex(/^(?:[1-4]xx|[A-Za-z_]{2,32})$/, NO_STATUS)
        .refine((text) => /^[1-4]xx$/.test(text) || grpcCode(text) !== undefined, NO_STATUS),
    ]),
  )
  .min(1)
  .max(100)
  .describe('Statuses that the new build is meant to answer, such as [301], [3xx] or [NOT_FOUND]: they are never failures');

/** How the values of one status label are read, and the metrics that they allow. */
export interface StatusReading {
  readonly metrics: typeof STATUS_METRICS;
  /** The status as it is counted (`503`, `5xx`, `none`, `UNAVAILABLE`), or why it is none. */
  read(text: string | undefined): string | { readonly fault: string };
}

const HTTP = /^([1-5])(?:xx?|(\d\d))?$/i;

const NO_ANSWER = /^(?:0|000|none|other)$/i;

/** Labels that may have gRPC codes by name (`code="Unavailable"`), though they do not say gRPC. */
const MAY_BE_GRPC = /code|status/i;

const SAYS_GRPC = /grpc/i;

/** By the values of all series of both builds together: one build alone may have had no failure yet. Or why they cannot be told apart. */
export function statusReading(label: string, texts: readonly string[]): StatusReading | { readonly fault: string } {
  const values = [...new Set(texts)];
  const named = MAY_BE_GRPC.test(label) && values.some((text) => /^[a-z]/i.test(text) && grpcCode(text) !== undefined);
  const high = values.some((text) => /^(?:[6-9]|1[0-6])$/.test(text));
  const single = values.some((text) => /^[1-5](?:\d\d|xx?)$/i.test(text));
  const saysGrpc = SAYS_GRPC.test(label);
  if ((saysGrpc || named || high) && single)
    return {
      fault: `${label} has HTTP statuses and gRPC codes (${values.slice(0, 5).join(', ')}), so errors cannot be told; select one kind in the query, or name a label that has one kind`,
    };
  if (saysGrpc || named || high) return { metrics: GRPC_METRICS, read: (text) => grpcOf(label, text) };
  if (values.includes('0') && values.every((text) => /^[0-5]$/.test(text)))
    return {
      fault: `${label} has only ${values.join(', ')}, which may be gRPC codes or HTTP classes; for gRPC write label_replace(QUERY, "grpc_code", "$1", "${label}", "(.+)") with status: grpc_code`,
    };
  const metrics = values.some((text) => /^[1-5](?:xx?)?$/i.test(text)) ? CLASS_METRICS : STATUS_METRICS;
  return { metrics, read: (text) => httpOf(label, text) };
}

/** `503`, `5xx` (also written `5`), or `none`. Anything else is no status, and would pass for an error. */
function httpOf(label: string, text: string | undefined): string | { readonly fault: string } {
  if (text === undefined || text === '') return lost(label);
  const [, digit, code] = HTTP.exec(text) ?? [];
  if (digit !== undefined) return code === undefined ? `${digit}xx` : text;
  if (NO_ANSWER.test(text)) return 'none';
  return { fault: `${label}="${briefly(text)}" is not an HTTP status, so it cannot identify errors; add an errors query` };
}

function grpcOf(label: string, text: string | undefined): string | { readonly fault: string } {
  if (text === undefined || text === '') return lost(label);
  return grpcCode(text) ?? { fault: `${label}="${briefly(text)}" is not a gRPC code; add an errors query` };
}

function lost(label: string): { readonly fault: string } {
  return { fault: `some series do not have the status label ${label}; keep it in` };
}

/** The gRPC label that stands next to an HTTP status which is 200 whatever happens, and whether all series have it; undefined where there is none. */
export function hiddenGrpc(label: string, series: readonly Series[]): Hidden | undefined {
  if (series.length === 0 || !series.every(({ labels }) => /^2(?:\d\d|xx?)?$/i.test(labels[label] ?? ''))) return undefined;
  const others = new Set(series.flatMap(({ labels }) => Object.keys(labels).filter((name) => SAYS_GRPC.test(name))));
  const hasCode = (name: string) => (one: Series) => grpcCode(one.labels[name] ?? '') !== undefined;
  const grpc = [...others].find((name) => series.some(hasCode(name)));
  return grpc === undefined ? undefined : { grpc, inAll: series.every(hasCode(grpc)) };
}
