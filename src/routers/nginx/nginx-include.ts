/**
 * The text of the include, and what it says. The split stands in the generation itself, so that every worker tells which split it uses. No I/O.
 * `split_clients`: MurmurHash2 of the key, ranges in the order of their lines, percentages to two decimals
 * (https://nginx.org/en/docs/http/ngx_http_split_clients_module.html).
 */
import { createHash } from 'node:crypto';
import type { Split } from '../../core/rollout/split.ts';
import type { NginxConfig } from './nginx-config.ts';

/** nginx refuses finer percentages; 0 % is a line left out. */
const HUNDREDTHS = 100;

export type Percents = Readonly<Record<string, number>>;

/** True for 12.345 %. Ignores floating-point noise. */
export function tooFine(percent: number): boolean {
  return Math.abs(percent * HUNDREDTHS - Math.round(percent * HUNDREDTHS)) > 1e-6;
}

/** What each place of the config gets, in hundredths of a percent. */
function hundredthsOf({ places }: NginxConfig, split: Split): readonly (readonly [string, number])[] {
  const shares = new Map(split.map(({ place, percent }) => [place, Math.round(percent * HUNDREDTHS)]));
  return Object.keys(places).map((place) => [place, shares.get(place) ?? 0]);
}

/** `blue=99.5,green=0.5`, places at 0 % left out, in the order of the config. */
function splitWord(shares: readonly (readonly [string, number])[]): string {
  return shares.flatMap(([place, share]) => (share === 0 ? [] : [`${place}=${share / HUNDREDTHS}`])).join(',');
}

/**
 * The whole file. Equal splits give equal bytes. Places keep the order of the config, so that a growing share takes clients from its
 * neighbour only, and no client goes to and fro. The last line is `*`: percentages that sum to 100 leave a sliver of hash values without it.
 */
export function includeText(config: NginxConfig, split: Split): string {
  const body = bodyText(config, split);
  const { variables: name } = config;
  return `# Written by kvdeploy: what is edited here by hand is drift, and is overwritten.\n${body}map "" $${name}_generation { default "${generationOf(config, split)}"; }\n`;
}

/** What every worker with this split answers: the split, and a hash of all that stands in the file. */
export function generationOf(config: NginxConfig, split: Split): string {
  const hash = createHash('sha256').update(bodyText(config, split)).digest('hex').slice(0, 16);
  return `${splitWord(hundredthsOf(config, split))} ${hash}`;
}

function bodyText(config: NginxConfig, split: Split): string {
  const { variables: name, key, places } = config;
  const shares = hundredthsOf(config, split).filter(([, share]) => share > 0);
  const lines = shares.map(([place, share], at) => `  ${at === shares.length - 1 ? '*' : `${share / HUNDREDTHS}%`} ${place};`);
  const upstreams = Object.entries(places).map(([place, { upstream }]) => `  ${place} ${upstream};`);
  return [
    `split_clients "\${${key.slice(1)}}" $${name}_place {\n${lines.join('\n')}\n}`,
    `map $${name}_place $${name}_upstream {\n${upstreams.join('\n')}\n}\n`,
  ].join('\n');
}

/** The split of a generation; undefined if kvdeploy did not write it, or another version or config did. */
export function splitIn(config: NginxConfig, generation: string): Percents | undefined {
  const [word = '', hash, ...more] = generation.split(' ');
  if (hash === undefined || more.length > 0) return undefined;
  const percents: Record<string, number> = Object.fromEntries(Object.keys(config.places).map((place) => [place, 0]));
  for (const part of word.split(',')) {
    const [, place = '', percent = ''] = /^([^=]+)=(\d{1,3}(?:\.\d{1,2})?)$/.exec(part) ?? [];
    if (!Object.hasOwn(percents, place)) return undefined;
    percents[place] = Number(percent);
  }
  const split = Object.entries(percents).map(([place, percent]) => ({ place, build: null, percent }));
  return generationOf(config, split) === generation ? percents : undefined;
}
