/** Small pieces of text that every report shares: durations, clock times, counts, shares, bars. Pure. */
import { safeLine } from '../base/text.ts';
import { percentText } from '../core/text.ts';

/** `01:12`, and `1:02:03` from an hour on. */
export function stopwatch(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (count: number) => String(count).padStart(2, '0');
  const hours = Math.floor(seconds / 3600);
  const rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours === 0 ? rest : `${hours}:${rest}`;
}

/** `19:52:04Z` of wall-clock milliseconds. */
export function clockText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(11, 19)}Z`;
}

export function shortBuild(build: string | null): string {
  return build === null ? 'unknown build' : safeLine(build).slice(0, 8);
}

interface Share {
  readonly build: string | null;
  readonly place?: string | undefined;
  readonly percent: number;
}

/** `41d0a6c3 (blue) 75 %, 9f1c2b7e (green) 25 %`, leaving out what gets nothing. */
export function sharesText(split: readonly Share[]): string {
  const some = split.filter((share) => share.percent > 0);
  if (some.length === 0) return 'nothing serves';
  const place = (share: Share) => (share.place === undefined ? '' : ` (${safeLine(share.place)})`);
  return some.map((share) => `${shortBuild(share.build)}${place(share)} ${percentText(share.percent)}`).join(', ');
}

/** A bar of `width` cells; something is never drawn as nothing, nor less than everything as everything. */
export function bar(percent: number, width: number, unicode: boolean): string {
  const least = percent > 0 ? 1 : 0;
  const most = percent < 100 ? width - 1 : width;
  const full = Math.min(most, Math.max(least, Math.round((percent / 100) * width)));
  return (unicode ? '█' : '#').repeat(full) + (unicode ? '░' : '.').repeat(width - full);
}

/** One character per rate, the highest one being the tallest; rates are 0 to 1. */
export function sparkline(rates: readonly number[], unicode: boolean): string {
  const marks = unicode ? '▁▂▃▄▅▆▇█' : '_.-^';
  const top = Math.max(...rates, 0.01);
  return rates.map((rate) => marks[Math.min(marks.length - 1, Math.ceil((rate / top) * (marks.length - 1)))]).join('');
}
