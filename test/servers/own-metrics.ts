/** What a build counts of its own requests, and says in the Prometheus text format: a counter by status, a classic histogram of seconds. */

/** What most client libraries begin with. */
const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1];

/** Cumulative counts by bound, `+Inf` last. */
interface Histogram {
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface OwnMetrics {
  /** One request; every series is born with its first. */
  count(build: string, code: number, region: string | undefined, seconds: number): void;
  /** Bounds of the histogram's buckets besides `+Inf`; null: no histogram at all. What it held is forgotten. */
  setBounds(bounds: readonly number[] | null): void;
  /** As a restart. */
  forget(): void;
  text(): string;
}

export function ownMetrics(): OwnMetrics {
  const requests = new Map<string, number>();
  const histograms = new Map<string, Histogram>();
  let bounds: readonly number[] | null = BOUNDS;
  return {
    count(build, code, region, took) {
      const labels = `build="${build}",code="${code}"${region === undefined ? '' : `,region="${region}"`}`;
      requests.set(labels, (requests.get(labels) ?? 0) + 1);
      if (bounds === null) return;
      const { counts, sum } = histograms.get(build) ?? { counts: [...bounds, Number.POSITIVE_INFINITY].map(() => 0), sum: 0 };
      const within = [...bounds, Number.POSITIVE_INFINITY].map((bound, index) => (counts[index] ?? 0) + (took <= bound ? 1 : 0));
      histograms.set(build, { counts: within, sum: sum + took });
    },
    setBounds(changed) {
      bounds = changed;
      histograms.clear();
    },
    forget() {
      requests.clear();
      histograms.clear();
    },
    text() {
      const lines = [...requests].map(([labels, value]) => `http_requests_total{${labels}} ${value}`);
      const buckets = [...histograms].flatMap(([build, histogram]) => histogramLines(build, histogram, bounds ?? []));
      return ['# TYPE http_requests_total counter', ...lines, ...buckets, ''].join('\n');
    },
  };
}

function histogramLines(build: string, { counts, sum }: Histogram, bounds: readonly number[]): string[] {
  const name = 'http_request_duration_seconds';
  const buckets = [...bounds, '+Inf'].map((le, index) => `${name}_bucket{build="${build}",le="${le}"} ${counts[index]}`);
  const totals = [`${name}_sum{build="${build}"} ${sum}`, `${name}_count{build="${build}"} ${counts.at(-1)}`];
  return [`# TYPE ${name} histogram`, ...buckets, ...totals];
}
