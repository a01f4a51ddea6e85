/** Pools of the same haproxy.cfg behind one server's address: whoever asks there reaches one of several processes. Reads text only. */
import { type Line, sectionLines } from './haproxy-lines.ts';

interface Bind {
  readonly host: string;
  readonly port: string;
  /** The `listen` or `backend` section whose servers are behind it. */
  readonly pool: string;
}

/** In words, for each server whose address another section of the same files binds, and passes on to several servers. */
export function poolsBehind(servers: readonly (Line | undefined)[], text: string, lines: readonly Line[]): readonly string[] {
  const binds = bindsOf(text);
  return servers.flatMap((server) => {
    const at = server === undefined ? undefined : hostPort(server.address);
    if (server === undefined || at === undefined) return [];
    const bind = binds.find((one) => one.port === at.port && reaches(at.host, one.host));
    const behind = lines.filter(({ section }) => section === bind?.pool);
    const several = behind.length > 1 || behind.some(({ name }) => name.endsWith('*'));
    if (bind === undefined || bind.pool === server.section || !several) return [];
    const names = behind.map(({ name }) => name).join(', ');
    return [
      `${server.name} is ${bind.pool}, a pool of ${names}: one question reaches one of them, so another build among them is found by chance only: put these servers into backend ${server.section}, and name them in \`places\``,
    ];
  });
}

/** `bind` lines of `listen` sections, and of frontends with a `default_backend`. */
function bindsOf(text: string): readonly Bind[] {
  const binds: Bind[] = [];
  let open: { readonly host: string; readonly port: string }[] = [];
  for (const { section, kind, line } of sectionLines(text)) {
    const [word = '', value = ''] = line.split(/\s+/);
    if (word === kind && kind !== '') open = [];
    const own = word === 'bind' ? value.split(',').flatMap((one) => hostPort(one) ?? []) : [];
    if (kind === 'listen') binds.push(...own.map((one) => ({ ...one, pool: section })));
    else open.push(...own);
    if (kind === 'frontend' && word === 'default_backend') binds.push(...open.map((one) => ({ ...one, pool: value })));
  }
  return binds;
}

/** `127.0.0.1:80`, `ipv4@*:80`, `:80`; nothing else. */
function hostPort(address: string): { readonly host: string; readonly port: string } | undefined {
  const found = /^(?:ipv[46]@)?([^@]*):(\d{1,5})$/.exec(address);
  return found === null ? undefined : { host: found[1] ?? '', port: found[2] ?? '' };
}

/** Whether a server on this host's loopback is what is bound. */
function reaches(server: string, bound: string): boolean {
  const isEvery = ['', '*', '0.0.0.0', '::', '[::]'].includes(bound);
  return server === bound || (isEvery && /^(?:127\.|localhost$|\[?::1\]?$)/.test(server));
}
