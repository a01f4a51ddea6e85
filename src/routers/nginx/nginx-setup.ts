/** What `nginx -T` shows of a set-up that kvdeploy could not drive, or whose split it would falsify. No I/O. */
import type { Unusable } from '../../base/unusable.ts';
import type { NginxConfig } from './nginx-config.ts';
import { includeOf } from './nginx-config.ts';

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
  const others = parts.filter(({ file }) => file !== own);
  const all = others.map(({ text }) => text).join('\n');
  const unusable = parts.some(({ file }) => file === own)
    ? (unfitPlace(config, all) ?? unfitWorkers(all) ?? secondSplit(config, others))
    : notIncluded(own);
  const doubts = [...HIDING.flatMap((rule) => rule(all, config)), ...strangers(config, all)];
  return {
    ...(unusable === undefined ? {} : { unusable }),
    doubts,
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
  if (new RegExp(`\\$\\{?${variables}_upstream\\b`).test(all)) return undefined;
  return {
    why: `nginx does not use $${variables}_upstream, so that the split moves no request`,
    cure: `Use it where the requests go: proxy_pass http://$${variables}_upstream;`,
  };
}

function blockOf(upstream: string, all: string): string | undefined {
  const name = upstream.replace(/[.-]/g, '\\$&');
  return new RegExp(`(?:^|[\\s;}])upstream\\s+"?${name}"?\\s*\\{([^}]*)\\}`).exec(all)?.[1];
}

/** Without it, clients of old workers stay under the split before for as long as they like. */
function unfitWorkers(all: string): Unusable | undefined {
  const cure = 'Put `worker_shutdown_timeout 10s;` at the top of nginx.conf, outside of http { … }; see docs/nginx.md.';
  const found = /(?:^|[\s;}])worker_shutdown_timeout\s+(\d+)(ms|s|m|h)?\s*;/.exec(all);
  if (found === null)
    return {
      why: 'nginx has no worker_shutdown_timeout: after a reload, open connections follow the old split without an end',
      cure,
    };
  const seconds = Number(found[1]) * { ms: 0.001, s: 1, m: 60, h: 3600 }[(found[2] ?? 's') as 'ms' | 's' | 'm' | 'h'];
  if (seconds <= MOST_SHUTDOWN_S) return undefined;
  return {
    why: `worker_shutdown_timeout is ${seconds} s: open connections follow the old split for that long, at most ${MOST_SHUTDOWN_S} s is right`,
    cure,
  };
}

function secondSplit({ variables }: NginxConfig, others: readonly Part[]): Unusable | undefined {
  const rule = new RegExp(
    `(?:split_clients|map|geo)\\s[^{;]*\\$${variables}_(?:place|upstream|generation)\\s*\\{|\\bset\\s+\\$${variables}_(?:place|upstream)\\b`,
  );
  const found = others.find(({ text }) => rule.test(text));
  return (
    found && {
      why: `${found.file} sets $${variables}_… too, so that the include does not decide`,
      cure: 'Remove it there, or choose other names: variables, in the config.',
    }
  );
}

type Rule = (all: string, config: NginxConfig) => readonly string[];

/** What hides a bad build from its clients and from everyone who counts answers. */
const HIDING: readonly Rule[] = [
  (all, { variables }) =>
    /[\s;{]proxy_cache\s+(?!off\b)/.test(all) && !new RegExp(`proxy_cache_key[^;]*\\$\\{?${variables}_place`).test(all)
      ? [`proxy_cache without $${variables}_place in its key answers with what the other build made`]
      : [],
  (all) =>
    /[\s;{]proxy_cache_use_stale\s+(?!off\b)/.test(all) ? ['proxy_cache_use_stale hides errors of a build from its clients'] : [],
  (all) =>
    /[\s;{]proxy_intercept_errors\s+on/.test(all) ? ['proxy_intercept_errors: another page answers in place of an error'] : [],
];

/** Servers of a block that the config does not name, or the other way round. */
function strangers({ places }: NginxConfig, all: string): readonly string[] {
  return Object.entries(places).flatMap(([place, { upstream, members }]) => {
    const block = blockOf(upstream, all);
    if (block === undefined) return [];
    const servers = [...block.matchAll(/(?:^|[\s;])server\s+([^\s;]+)/g)].map(([, address = '']) => withPort(address));
    const more = servers.filter((address) => !members.includes(address));
    const less = members.filter((address) => !servers.includes(address));
    return [
      ...more.map(
        (address) =>
          `upstream ${upstream} also has ${address}, which ${place} in the config has not: it is not asked which build it is`,
      ),
      ...less.map((address) => `upstream ${upstream} has not ${address}, which ${place} in the config has`),
    ];
  });
}

function withPort(address: string): string {
  return address.startsWith('unix:') || /:\d+$/.test(address) ? address : `${address}:80`;
}
