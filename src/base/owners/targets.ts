/** What the changes of a pointer touch, held against the machine file. Exact matches only. No I/O. */
import { type SshWay, sshArgv } from '../at/at-way.ts';
import type { Asked, Change, Check, Request, Run, TargetQuestion, Told } from '../changes/change.ts';
import type { IdentityCheck } from '../changes/identity.ts';
import { secretOf } from '../changes/prepare.ts';
import { canonical, picked } from '../shape.ts';
import type { Allowance, Machine } from './machine-format.ts';

/** The parts of a pointer that reach outside. */
export interface Reaching {
  readonly changes: readonly Change[];
  readonly checks: readonly Check[];
  readonly identity: readonly IdentityCheck[];
  readonly questions: readonly TargetQuestion[];
  /** The other hosts, by location: what is done there is bounded by the machine file there. */
  readonly hosts?: Readonly<Record<string, SshWay>>;
}

/** An allowance with every list; empty lists allow nothing. */
export type Reach = { readonly [K in keyof Required<Allowance>]: NonNullable<Allowance[K]> };

const LISTS = ['files', 'sockets', 'programs', 'checks', 'requests'] as const;

const NOTHING: Reach = { files: [], sockets: [], programs: [], checks: [], requests: [] };

/** Everything that these parts touch: each thing once, in the machine file's own form. */
export function reachOf({ changes, checks, identity, questions, hosts = {} }: Reaching): Reach {
  const here = <One extends { readonly at?: string }>(all: readonly One[]) =>
    all.filter(({ at }) => at === undefined || !Object.hasOwn(hosts, at));
  const parts = [
    ...here(changes).map(ofChange),
    ...here([...checks, ...identity]).map(ofCheck),
    ...here(questions).map(ofQuestion),
    ...Object.values(hosts).map((way) => ({ ...NOTHING, programs: [sshArgv(way)] })),
  ];
  return mapLists((name) => unique(parts.flatMap((part) => (part[name] ?? []) as readonly unknown[])));
}

/** What of `reach` the machine file does not allow to this scope; undefined if it allows everything. */
export function notAllowed(reach: Reach, machine: Machine, scope: string): Reach | undefined {
  const targets = machine.targets ?? {};
  const given: Allowance = (Object.hasOwn(targets, scope) ? targets[scope] : undefined) ?? {};
  const everywhere: Allowance = { programs: machine.programs ?? [] };
  const missing = mapLists((name) => {
    const listed = [...(given[name] ?? []), ...(everywhere[name] ?? [])] as readonly unknown[];
    const allowed = new Set(listed.map(canonical));
    return (reach[name] as readonly unknown[]).filter((one) => !allowed.has(canonical(one)));
  });
  return LISTS.some((name) => missing[name].length > 0) ? missing : undefined;
}

/** Everything in one line for a sentence. */
export function reachText(reach: Reach): string {
  const requests = reach.requests.map(({ method, url, secret, ...tls }) => {
    const more = Object.entries(tls).map(([key, value]) => `, ${key} ${value}`);
    return `${method} ${url}${secret === undefined ? '' : ` with ${secret}`}${more.join('')}`;
  });
  const programs = reach.programs.map((argv) => argv.join(' '));
  return [...reach.files, ...reach.sockets, ...programs, ...reach.checks, ...requests].join(', ');
}

/**
 * What is missing in the machine file, ready to paste: the stanza of this scope with what it has already, or the whole file if it has
 * no targets yet.
 */
export function stanza(missing: Reach, machine: Machine, scope: string): readonly string[] {
  const targets = machine.targets ?? {};
  const given: Allowance = (Object.hasOwn(targets, scope) ? targets[scope] : undefined) ?? {};
  const lists = LISTS.flatMap((name) => {
    const all = [...((given[name] ?? []) as readonly unknown[]), ...(missing[name] as readonly unknown[])];
    return all.length === 0 ? [] : [`      "${name}": [${all.map((one) => JSON.stringify(one)).join(', ')}]`];
  });
  const own = [
    `    ${JSON.stringify(scope)}: {`,
    ...lists.map((line, at) => (at < lists.length - 1 ? `${line},` : line)),
    '    }',
  ];
  return Object.keys(machine).some((key) => key !== 'targets') || Object.keys(targets).length > 0
    ? own
    : ['{', '  "targets": {', ...own, '  }', '}'];
}

function mapLists(list: (name: (typeof LISTS)[number]) => readonly unknown[]): Reach {
  return Object.fromEntries(LISTS.map((name) => [name, list(name)])) as unknown as Reach;
}

function unique(all: readonly unknown[]): unknown[] {
  return [...new Map(all.map((one) => [canonical(one), one])).values()];
}

function ofChange(change: Change): Reach {
  switch (change.kind) {
    case 'write-file':
      return { ...NOTHING, files: [change.path] };
    case 'request':
      return { ...NOTHING, requests: [requestOf(change.method, change)] };
    case 'run':
      return ofProgram(change);
    case 'socket':
      return { ...NOTHING, sockets: [change.address], files: change.saveTo === undefined ? [] : [change.saveTo] };
  }
}

function ofCheck(check: Check | IdentityCheck): Reach {
  switch (check.kind) {
    case 'file':
      return { ...NOTHING, files: [check.path] };
    case 'http':
      return ofAsked(check);
    case 'run':
      return ofProgram(check);
    case 'table':
      return { ...NOTHING, sockets: [check.address] };
  }
}

function ofProgram({ argv }: Pick<Run | Told, 'argv'>): Reach {
  return { ...NOTHING, programs: [argv] };
}

/** What carries a secret is a request, since it matters where it goes; anything else only reads a URL. */
function ofAsked(asked: Asked): Reach {
  const sockets = asked.unixSocket === undefined ? [] : [asked.unixSocket];
  if (asked.secret === undefined) return { ...NOTHING, sockets, checks: [asked.url] };
  return { ...NOTHING, sockets, requests: [requestOf('GET', asked)] };
}

type Sent = Reach['requests'][number];

/** Whom TLS believes and what it shows decide who gets the secret, so they are named with it. */
function requestOf(method: Sent['method'], sent: Request | Asked): Sent {
  const secret = secretOf(sent)?.name;
  const shown = sent.kind === 'request' ? picked(sent, 'cert', 'key') : {};
  const carried = secret === undefined ? {} : { secret };
  return { method, url: sent.url, ...carried, ...picked(sent, 'ca', 'serverName'), ...shown };
}

function ofQuestion(question: TargetQuestion): Reach {
  switch (question.kind) {
    case 'http':
      return { ...NOTHING, checks: [question.url] };
    case 'socket':
      return { ...NOTHING, sockets: [question.address] };
    case 'run':
      return ofProgram(question);
  }
}
