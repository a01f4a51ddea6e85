/** What `nginx -T` shows of a set-up that kvdeploy could not drive, or whose split it would falsify. No I/O. */
import { dirname, normalize } from 'node:path';
import type { Unusable } from '../../base/unusable.ts';
import type { NginxConfig } from './nginx-config.ts';
import { includeOf } from './nginx-config.ts';
import { doubtsOf } from './nginx-doubts.ts';
import { blockOf, serversOf } from './nginx-upstream.ts';

/** One file of the configuration, without its comments. */
interface Part {
  readonly file: string;
  readonly text: string;
}

export interface Setup {
  readonly unusable?: Unusable;
  readonly doubts: readonly string[];
  /** By what clients stay with a place; undefined if nothing of the kind was seen. */
  readonly sticky?: string;
}

/** Longer than this, a rollback would not move the clients of old workers in time. */
const MOST_SHUTDOWN_S = 60;

/** Reads what `nginx -T` printed: `# configuration file PATH:` before each file. */
export function setupOf(config: NginxConfig, printed: string): Setup {
  const parts = partsOf(printed);
  const own = includeOf(config);
  const others = parts.filter(({ file }) => normalize(file) !== own);
  const all = others.map(({ text }) => text).join('\n');
  const unusable = parts.some(({ file }) => normalize(file) === own)
    ? (unfitPlace(config, all) ??
      mixedPlaces(config, all) ??
      unfitWorkers(all) ??
      secondSplit(config, others) ??
      wideInclude(own, all))
    : notIncluded(own);
  return {
    ...(unusable === undefined ? {} : { unusable }),
    doubts: doubtsOf(config, all),
    ...(config.key === '$request_id' ? {} : { sticky: `split_clients ${config.key}` }),
  };
}

function partsOf(printed: string): readonly Part[] {
  const parts = printed.split(/^# configuration file (.+):$/m);
  return Array.from({ length: (parts.length - 1) / 2 }, (_, at) => ({
    file: parts[2 * at + 1] ?? '',
    text: (parts[2 * at + 2] ?? '').replace(/(^|[\s;{}])#.*$/gm, '$1'),
  }));
}

function notIncluded(own: string): Unusable {
  return {
    why: `nginx does not include ${own}`,
    cure: `Put \`include ${own};\` into http { … } of nginx.conf, then: nginx -t && nginx -s reload`,
  };
}

/** A name that is no upstream passes every test, and then answers 502 to its share. */
function unfitPlace({ places, variables }: NginxConfig, all: string): Unusable | undefined {
  for (const [place, { upstream }] of Object.entries(places)) {
    if (blockOf(upstream, all) !== undefined) continue;
    return {
      why: `nginx has no upstream block ${upstream}, which ${place} needs: every request there would be answered 502`,
      cure: `Add \`upstream ${upstream} { server …; }\`, or correct places in the config.`,
    };
  }
  if (new RegExp(`(?:_pass|\\bset|\\bmap)\\s[^;]*\\$\\{?${variables}_upstream\\b`).test(all)) return undefined;
  return {
    why: `nginx passes nothing to $${variables}_upstream, so that the split moves no request`,
    cure: `Use it where the requests go: proxy_pass http://$${variables}_upstream;`,
  };
}

/** With servers of two places in one block (weights, `backup`, `sticky`), nginx repeats at one build what another one failed, and hides it. */
function mixedPlaces({ places }: NginxConfig, all: string): Unusable | undefined {
  const owners = new Map(Object.entries(places).flatMap(([place, { members }]) => members.map((member) => [member, place])));
  for (const [place, { upstream }] of Object.entries(places)) {
    const foreign = serversOf(blockOf(upstream, all) ?? '').find(({ address }) => (owners.get(address) ?? place) !== place);
    if (foreign === undefined) continue;
    const owner = owners.get(foreign.address);
    return {
      why: `upstream ${upstream} has ${foreign.address}, a server of ${owner}: ${owner} would get requests of ${place}, and hide its errors`,
      cure: `Take \`server ${foreign.address}\` out of upstream ${upstream}: each place has a block of its own, and the include splits between them.`,
    };
  }
  return undefined;
}

/** Without it, clients of old workers stay under the split before for as long as they like. */
function unfitWorkers(all: string): Unusable | undefined {
  const cure = 'Put `worker_shutdown_timeout 10s;` at the top of nginx.conf, outside of http { … }; see docs/nginx.md.';
  const found = /(?:^|[\s;}])worker_shutdown_timeout\s+["']?([^;"']+)["']?\s*;/.exec(all);
  const seconds = secondsOf(found?.[1] ?? '0');
  // To nginx, 0 is no time-out.
  if (seconds === 0)
    return {
      why: 'nginx has no worker_shutdown_timeout: after a reload, open connections follow the old split without an end',
      cure,
    };
  if (seconds <= MOST_SHUTDOWN_S) return undefined;
  return {
    why: `worker_shutdown_timeout is ${found?.[1]}: open connections follow the old split for that long, at most ${MOST_SHUTDOWN_S} s is right`,
    cure,
  };
}

const UNIT_S: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, '': 1 };

/** `90`, `1m30s`, `1m 30s`, by https://nginx.org/en/docs/syntax.html; infinite for a unit beyond. */
function secondsOf(time: string): number {
  const parts = [...time.matchAll(/(\d+)\s*([a-zA-Z]*)/g)];
  return parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNIT_S[unit] ?? Number.POSITIVE_INFINITY), 0);
}

function secondSplit({ variables }: NginxConfig, others: readonly Part[]): Unusable | undefined {
  const own = `["']?\\$${variables}_(?:place|upstream|generation)\\b`;
  const rule = new RegExp(
    `(?:split_clients|map|geo)\\s+(?:(?:"[^"]*"|'[^']*'|[^\\s;]+)\\s+)?${own}["']?\\s*\\{|(?:\\bset|_set)\\s+${own}`,
  );
  const found = others.find(({ text }) => rule.test(text));
  return (
    found && {
      why: `${found.file} sets $${variables}_… too, so that the include does not decide`,
      cure: 'Remove it there, or choose other names: variables, in the config.',
    }
  );
}

/** kvdeploy keeps the marker of its state beside the include: taken for configuration, it would stop nginx from loading. */
function wideInclude(own: string, all: string): Unusable | undefined {
  const wide = [...all.matchAll(/(?:^|[\s;{}])include\s+["']?([^;"'\s]+\*)["']?\s*;/g)].map(([, path = '']) => path);
  const found = wide.find((path) => `${dirname(own)}/*`.endsWith(path.startsWith('/') ? normalize(path) : `/${normalize(path)}`));
  if (found === undefined) return undefined;
  return {
    why: `nginx includes every file beside ${own} (include ${found};), and kvdeploy keeps a file of its own there`,
    cure: `Give the include a folder of its own, or write \`include ${found}.conf;\``,
  };
}
