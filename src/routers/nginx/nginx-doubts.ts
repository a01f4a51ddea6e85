/** What in the output of `nginx -T` hides a bad build, or keeps a try out of the counts: named, for a person to look at. No I/O. */
import type { NginxConfig } from './nginx-config.ts';
import { blockOf, serversOf } from './nginx-upstream.ts';

type Rule = (all: string, config: NginxConfig) => readonly string[];

/** `all`: the whole configuration but the include, without comments. */
export function doubtsOf(config: NginxConfig, all: string): readonly string[] {
  return RULES.flatMap((rule) => rule(all, config));
}

const RULES: readonly Rule[] = [cached, hidden, beside, strangers, unequal, uncounted];

/** Without a key, nginx takes `$proxy_host`, which is the name of the upstream block. */
function cached(all: string, { variables }: NginxConfig): readonly string[] {
  if (!/[\s;{](?:proxy|fastcgi|uwsgi|scgi)_cache\s+(?!off\b)/.test(all)) return [];
  const keys = [...all.matchAll(/[\s;{](?:proxy|fastcgi|uwsgi|scgi)_cache_key\s([^;]*);/g)].map(([, key = '']) => key);
  const own = new RegExp(`\\$\\{?(?:${variables}_(?:place|upstream)|proxy_host)\\b`);
  return keys.every((key) => own.test(key))
    ? []
    : [`a cache without $${variables}_place in its key answers with what the other build made`];
}

function hidden(all: string): readonly string[] {
  return [
    ...(/[\s;{](?:proxy|fastcgi|uwsgi|scgi)_cache_use_stale\s+(?!off\b)/.test(all)
      ? ['proxy_cache_use_stale hides errors of a build from its clients']
      : []),
    ...(/[\s;{](?:proxy|fastcgi|uwsgi|scgi|grpc)_intercept_errors\s+on/.test(all)
      ? ['proxy_intercept_errors: another page answers in place of an error']
      : []),
    ...(/[\s;{]error_page\s[^;]*(?:\s=|\s@)/.test(all)
      ? ['error_page sends failed requests on: clients may not see the errors of a build, only the log does']
      : []),
  ];
}

/** Requests that the split does not reach. */
function beside(all: string, { places }: NginxConfig): readonly string[] {
  return Object.entries(places).flatMap(([place, { upstream }]) => {
    const name = upstream.replace(/[.-]/g, '\\$&');
    const direct = new RegExp(`[a-z]+_pass\\s+(?:[a-z]+://)?${name}(?=[/;\\s])`).exec(all);
    return direct === null ? [] : [`\`${direct[0]}\` goes to ${place} past the split: such requests do not move`];
  });
}

/** Servers of a block that the config does not name, or the other way round. */
function strangers(all: string, { places }: NginxConfig): readonly string[] {
  return Object.entries(places).flatMap(([place, { upstream, members }]) => {
    const block = blockOf(upstream, all);
    if (block === undefined) return [];
    const servers = serversOf(block).map(({ address }) => address);
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

/** The share of a place holds whatever its block does; that of one server does not. */
function unequal(all: string, { places }: NginxConfig): readonly string[] {
  return Object.values(places).flatMap(({ upstream }) => {
    const block = blockOf(upstream, all) ?? '';
    const servers = serversOf(block).flatMap(({ address, words }) => {
      const word = /\b(?:backup|down|weight=\d+)/.exec(words)?.[0];
      return word === undefined ? [] : [`${address} ${word}`];
    });
    const method = /(?:^|[\s;])(ip_hash|hash|least_conn|least_time|random|sticky)\b/.exec(block)?.[1];
    const found = [...(method === undefined ? [] : [method]), ...servers];
    return found.length === 0
      ? []
      : [`upstream ${upstream} shares unequally among its servers (${found.join(', ')}): one that is broken may not be met`];
  });
}

/** What the format must contain. */
const FIELDS = [
  '"p":"?\\$\\{?V_place',
  '"s":"?\\$\\{?status',
  '"us":"\\$\\{?upstream_status',
  '"ua":"\\$\\{?upstream_addr',
  '"rt":"?\\$\\{?request_time',
];

/** A log that nginx does not write as documented counts nothing, or not all. */
function uncounted(all: string, { log, variables }: NginxConfig): readonly string[] {
  if (log === undefined) return [];
  const writes = [...all.matchAll(/[\s;{]access_log\s+([^\s;]+)([^;]*);/g)].filter(([, path]) => path === log);
  if (writes.length === 0) return [`no access_log of nginx writes ${log}, which the config counts`];
  return writes.flatMap(([, , words = '']) => {
    const [name = '', ...options] = words.trim().split(/\s+/);
    const format = new RegExp(`[\\s;{]log_format\\s+${name.replace(/[^\w]/g, '\\$&')}\\s([^;]*);`).exec(all)?.[1] ?? '';
    const missing = FIELDS.map((field) => field.replace('V', variables)).filter((field) => !new RegExp(field).test(format));
    const names = missing.map((field) => /"(\w+)"/.exec(field)?.[1]).join(', ');
    const bad = options.filter((word) => /^(?:gzip|if=)/.test(word));
    const isLate = options.some((word) => word.startsWith('buffer=')) && !options.some((word) => /^flush=1s$/.test(word));
    return [
      ...(missing.length === 0 ? [] : [`the format of ${log} lacks ${names}: see docs/nginx.md`]),
      ...bad.map((word) => `${log} is written with ${word}, so that not every request can be counted`),
      ...(isLate ? [`${log} is written with buffer= but without flush=1s, so that errors are counted late`] : []),
    ];
  });
}
