/** One process in the answer twice: two jobs, ports or replicas that scrape it. Must not take two processes that count alike for one. No I/O. */
import type { Series } from './prometheus-answer.ts';

/** What says who scraped, not what was counted. */
const SCRAPER_LABELS = [
  'job',
  'exported_job',
  'instance',
  'exported_instance',
  'endpoint',
  'service',
  'prometheus',
  'prometheus_replica',
  'replica',
] as const;

const LOOPBACK = /^(?:localhost|\[::1\])(?=:|$)/;

/** Counts of one process that were read at different moments differ by this part; small ones must be the same. */
const APART = 0.05;

const SMALL = 100;

/** Which two are one, and what to do; undefined where there are none. Only series of one pod, or else one instance, are held against each other. */
export function duplicateText(series: readonly Series[], kvdeployLabels: readonly string[]): string | undefined {
  const scrapers = new Map<string, Set<string>>();
  let last: Labels = {};
  for (const { labels } of series) {
    // Neighbours are of one scrape, mostly, and there may be tens of thousands at every poll.
    if (isOfOneScrape(labels, last)) continue;
    last = labels;
    const process = processOf(labels);
    if (process === undefined) continue;
    const known = scrapers.get(process);
    if (known === undefined) scrapers.set(process, new Set([scraperOf(labels)]));
    else known.add(scraperOf(labels));
  }
  for (const [process, several] of scrapers) {
    if (several.size < 2) continue;
    const parts = new Map<string, Part>();
    for (const { labels, value } of series) {
      if (processOf(labels) !== process) continue;
      const part = parts.get(scraperOf(labels)) ?? { labels, counts: new Map() };
      parts.set(scraperOf(labels), part);
      part.counts.set(whatOf(labels, kvdeployLabels), Number(value));
    }
    const [one, ...others] = parts.values();
    const other = one === undefined ? undefined : others.find(({ counts }) => areAlike(one.counts, counts));
    if (one !== undefined && other !== undefined) return textOf(one.labels, other.labels);
  }
  return undefined;
}

type Labels = Series['labels'];

interface Part {
  readonly labels: Labels;
  readonly counts: Map<string, number>;
}

function processOf(labels: Labels): string | undefined {
  if (labels['instance'] === undefined) return undefined;
  const { namespace = '', pod } = labels;
  return pod === undefined
    ? `${labels['exported_instance'] ?? ''} ${labels['instance'].replace(LOOPBACK, '127.0.0.1')}`
    : `pod ${namespace} ${pod}`;
}

function isOfOneScrape(one: Labels, other: Labels): boolean {
  if (one['pod'] !== other['pod'] || one['namespace'] !== other['namespace']) return false;
  for (const label of SCRAPER_LABELS) if (one[label] !== other[label]) return false;
  return true;
}

function scraperOf(labels: Labels): string {
  let name = '';
  for (const label of SCRAPER_LABELS) name += `${labels[label] ?? ''}\0`;
  return name;
}

function whatOf(labels: Labels, kvdeployLabels: readonly string[]): string {
  const rest = Object.entries(labels).filter(
    ([label]) => !(SCRAPER_LABELS as readonly string[]).includes(label) && !kvdeployLabels.includes(label),
  );
  return JSON.stringify(rest.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function areAlike(one: ReadonlyMap<string, number>, other: ReadonlyMap<string, number>): boolean {
  if (one.size !== other.size || ![...one.values()].some((count) => count > 0)) return false;
  return [...one].every(([what, count]) => {
    const same = other.get(what);
    if (same === undefined) return false;
    return count < SMALL ? same === count : Math.abs(same - count) <= APART * count;
  });
}

function textOf(one: Labels, other: Labels): string {
  const label = SCRAPER_LABELS.find((each) => one[each] !== other[each]) ?? 'job';
  const [a, b] = [one, other].map((labels) => `${label}="${labels[label] ?? ''}"`);
  const who = one['pod'] ?? one['instance'] ?? '';
  return `${who} is counted twice, with ${a} and ${b}: one process must have one series; select one of them in the query, such as ${a}`;
}
