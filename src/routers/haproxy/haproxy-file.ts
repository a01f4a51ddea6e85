/**
 * haproxy.cfg as the running process was given it: the runtime API does not say which servers stand there, nor which other backend sends to
 * them. Reads only; must take a file that it cannot find or understand for unknown, never for a yes.
 */
import { basename, join } from 'node:path';
import type { Unusable } from '../../base/unusable.ts';
import type { Io } from '../../io.ts';
import type { WrittenWay } from './haproxy-ask.ts';
import { finder, type Global, globalOf, type Line, linesOf, sectionLines } from './haproxy-lines.ts';
import { poolsBehind } from './haproxy-pools.ts';

const MAX_BYTES = 4 * 1024 * 1024;

/** What the files say of one backend and its servers. */
export interface Written {
  /** Why a reload would lose a server, or undefined. */
  readonly fleeting: Unusable | undefined;
  /** The first line of the backend that chooses a server whatever its weight: `stick on src`. Undefined where none was found. */
  readonly rule: string | undefined;
  /** What is to be looked at by a person: other backends with the same servers, or that the files could not be read. */
  readonly doubts: readonly string[];
  /** What is written of the way to a server of the backend; undefined where that is unknown. */
  readonly wayTo: (server: string) => WrittenWay | undefined;
}

/** Compares the running servers of a backend with the files of the process `pid`; null: the process is not known. */
export function writtenOf(servers: readonly string[], backend: string, pid: number | null, { fs }: Pick<Io, 'fs'>): Written {
  const unknown = (why: string): Written => ({
    fleeting: undefined,
    rule: undefined,
    doubts: [`${why}, so whether each server stands in haproxy.cfg, and in no other backend, is not known`],
    wayTo: () => undefined,
  });
  if (pid === null) return unknown('HAProxy runs on another host');
  let files: readonly string[];
  let lines: readonly Line[] | undefined;
  let rule: string | undefined;
  let global: Global;
  let text: string;
  try {
    files = filesOf(pid, fs);
    if (files.length === 0) return unknown('the process of HAProxy is not visible from here');
    text = files.map((file) => textOf(file, fs)).join('\n');
    lines = linesOf(text);
    global = globalOf(text);
    rule = [...sectionLines(text)].find(({ section, line }) => section === backend && CHOOSES.test(line))?.line;
  } catch (error) {
    return unknown(`haproxy.cfg cannot be read (${error instanceof Error ? error.message : String(error)})`);
  }
  const own = lines?.filter(({ section }) => section === backend) ?? [];
  if (lines === undefined || own.length === 0)
    return unknown(`the servers of backend ${backend} cannot be found in ${files.join(', ')}`);
  const lineOf = finder(own);
  const folder = folderOf(pid, fs);
  return {
    fleeting: fleetingOf(servers, backend, lineOf, files),
    rule,
    doubts: [...twicesOf(servers, backend, lineOf, lines), ...poolsBehind([...new Set(servers.map(lineOf))], text, lines)],
    wayTo: (server) => {
      const line = lineOf(server);
      return line === undefined ? undefined : { line, global, folder };
    },
  };
}

function fleetingOf(
  servers: readonly string[],
  backend: string,
  lineOf: (server: string) => Line | undefined,
  files: readonly string[],
): Unusable | undefined {
  const lost = servers.filter((name) => lineOf(name) === undefined);
  if (lost.length === 0) return undefined;
  const names = lost.join(', ');
  return {
    why: `${names} was added at run time (add server) and stands in no line of backend ${backend} in ${files.join(', ')}, so a reload removes it with its traffic`,
    cure: `Write \`server ${lost[0]} ADDRESS:PORT check\` into backend ${backend}, with the weight of the others, and \`disabled\` if it must not serve at start; then reload HAProxy.`,
  };
}

function twicesOf(
  servers: readonly string[],
  backend: string,
  lineOf: (server: string) => Line | undefined,
  lines: readonly Line[],
): string[] {
  const byAddress = new Map(servers.map((name) => [lineOf(name)?.address, lineOf(name)]));
  return lines.flatMap(({ section, name, address }) => {
    const same = section === backend ? undefined : byAddress.get(address);
    if (same === undefined) return [];
    return [
      `backend ${section} sends to ${same.name} too (server ${name} ${address}), and kvdeploy does not shift that traffic: use backend ${backend} for both (use_backend ${backend}), or remove the server from ${section}`,
    ];
  });
}

/** The files after -f on the command line of the process, if it is a HAProxy; a folder stands for the .cfg files in it. */
function filesOf(pid: number, fs: Io['fs']): readonly string[] {
  const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  if (!/haproxy/.test(basename(words[0] ?? ''))) return [];
  const end = words.indexOf('--');
  const options = end === -1 ? words : words.slice(0, end);
  const given = options.flatMap((word, at) => (options[at - 1] === '-f' ? [word] : []));
  const all = [...given, ...(end === -1 ? [] : words.slice(end + 1))].filter((word) => word !== '');
  return all.flatMap((word) => {
    const file = word.startsWith('/') ? word : join(`/proc/${pid}/cwd`, word);
    if (!fs.statSync(file).isDirectory()) return [file];
    const names = fs.readdirSync(file) as string[];
    return names.filter((name) => name.endsWith('.cfg') && !name.startsWith('.')).map((name) => join(file, name));
  });
}

/** Where the process was started; the link in /proc names another folder once it is restarted. */
function folderOf(pid: number, fs: Io['fs']): string | null {
  try {
    return fs.realpathSync(`/proc/${pid}/cwd`);
  } catch {
    return null;
  }
}

function textOf(file: string, fs: Io['fs']): string {
  if (!fs.statSync(file).isFile()) throw new Error(`${file} is not a plain file`);
  if (fs.statSync(file).size > MAX_BYTES) throw new Error(`${file} has more than 4 MiB`);
  return fs.readFileSync(file, 'utf8');
}

/** Rules of a backend that come before every weight. */
const CHOOSES = /^(?:stick\s+(?:on|match|store-request)|use-server|persist)\s/;
