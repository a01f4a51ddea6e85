/** How requests ended, by status, as the counters that gates judge. Must leave no request out. No I/O. */
import type { RawCounter } from './counters.ts';
import type { MetricCounters } from './metric-counters.ts';

/** True of informational answers (100, 102, 103), which another one follows. 101 is final: the connection goes on with another protocol. */
export function isInterim(status: string): boolean {
  return /^1(?:00|0[2-9]|[1-9]\d)$/.test(status);
}

/** Judged one by one: each can be an outage of its own. 401 was the whole of that of 2023-10-30. */
const ALONE = ['401', '403', '404', '408', '429', '304'] as const;

/** The others of each hundred: a redirect to a sign-in page, or an empty 204, for every client is an outage too. */
const OTHERS = ['other 4xx', 'other 3xx', 'other 2xx', '1xx'] as const;

/** Statuses that are no errors by themselves. */
export const STATUS_NAMES = [...ALONE, ...OTHERS] as const;

const metric = (name: string): MetricCounters => ({ metric: name, requests: 'requests', failures: name, counts: 'failures' });

/** What single statuses allow to judge: 5xx and no answer as errors, each notable status, and the rest of each hundred; 200 is good. */
export const STATUS_METRICS: readonly MetricCounters[] = ['errors', ...STATUS_NAMES].map(metric);

/** What classes of statuses allow to judge. */
export const CLASS_METRICS: readonly MetricCounters[] = ['errors', '4xx', '3xx', '1xx'].map(metric);

/** By number, as gRPC numbers them. Source: google.rpc.Code. */
const GRPC_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;

/** The server's fault by the semantic conventions of OpenTelemetry, and a server that has run out of something. */
const GRPC_ERRORS: readonly string[] = [
  'UNKNOWN',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
];

const OTHER_GRPC = 'other gRPC codes';

/** What gRPC codes allow to judge: the server's faults as errors, each notable code as 4xx are, and the rest. */
export const GRPC_METRICS: readonly MetricCounters[] = [
  'errors',
  ...['NOT_FOUND', 'PERMISSION_DENIED', 'UNAUTHENTICATED', OTHER_GRPC],
].map(metric);

/** A gRPC code by its number or its name as libraries write it (`NotFound`, `Canceled`, `not_found`); undefined for anything else. */
export function grpcCode(text: string): string | undefined {
  // Whoever does not know a code takes it for UNKNOWN, as gRPC asks.
  if (/^\d{1,2}$/.test(text)) return GRPC_CODES[Number(text)] ?? 'UNKNOWN';
  if (/^Code\(\d+\)$/i.test(text)) return 'UNKNOWN';
  const plain = (name: string) => name.toUpperCase().replace(/[ _-]/g, '').replace('CANCELED', 'CANCELLED');
  return GRPC_CODES.find((code) => plain(code) === plain(text));
}

/** Of `metrics`, the one that a status (`302`, `3xx`, `none`, `NOT_FOUND`) counts as a failure of; undefined for one that none of them judges. */
export function metricOfStatus(status: string, metrics: readonly MetricCounters[] = STATUS_METRICS): string | undefined {
  if (metrics.some((one) => one.metric === OTHER_GRPC)) return grpcMetric(status);
  const digit = /^(?:other )?([1-4])/.exec(status)?.[1];
  if (digit === undefined) return 'errors';
  if (status === '200' || status === '2xx') return undefined;
  const names = [status, `other ${digit}xx`, `${digit}xx`];
  return names.find((name) => metrics.some((one) => one.metric === name));
}

function grpcMetric(code: string): string | undefined {
  if (code === 'OK') return undefined;
  if (GRPC_ERRORS.includes(code)) return 'errors';
  return GRPC_METRICS.some((one) => one.metric === code) ? code : OTHER_GRPC;
}

/** The metrics that are left where `expected` statuses, or classes of them, are no failures. */
export function metricsExcept(metrics: readonly MetricCounters[], expected: readonly string[] = []): readonly MetricCounters[] {
  return metrics.filter(({ metric: name }) => !isExpected(name, expected));
}

/** True of a status that is expected, by itself or with its hundred. */
export function isExpected(status: string, expected: readonly string[]): boolean {
  return expected.includes(status) || (/^[1-4]\d\d$/.test(status) && expected.includes(`${status.slice(0, 1)}xx`));
}

/** Totals by status (`503`, `5xx`, `none`) of one slice, as counters: `requests`, and one for each metric. */
export function statusCounters(
  byStatus: Readonly<Record<string, number>>,
  metrics: readonly MetricCounters[],
  { slice = '', expected = [] }: { readonly slice?: string; readonly expected?: readonly string[] | undefined } = {},
): RawCounter[] {
  const counts = new Map(['requests', ...metrics.map(({ failures }) => failures)].map((name) => [name, 0]));
  for (const [status, count] of Object.entries(byStatus)) {
    if (isInterim(status)) continue;
    const failed = isExpected(status, expected) ? undefined : metricOfStatus(status, metrics);
    for (const name of ['requests', failed])
      if (name !== undefined && counts.has(name)) counts.set(name, (counts.get(name) ?? 0) + count);
  }
  return [...counts].map(([counter, value]) => ({ counter, slice, value }));
}
