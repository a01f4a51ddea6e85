/** What comes over SSH, at both ends: no order does what the machine file does not list, and no answer is believed that is none. */
import { parseReply, readDone } from '../../../src/base/at/at-answers.ts';
import { parseOrder } from '../../../src/base/at/at-format.ts';
import { type AtHost, replyTo } from '../../../src/base/at/at-host.ts';
import type { Deed, Outside } from '../../../src/base/changes/change.ts';
import { nodeOutside } from '../../../src/base/changes/outside.ts';
import { limited } from '../../../src/base/limited.ts';
import { hostileText, mutated } from '../hostile.ts';
import type { Luck } from '../luck.ts';
import { must, type Sweep } from '../sweep.ts';
import { mustBeSafe } from '../terminal.ts';
import { damagedText } from '../text-forms.ts';

const LISTED = {
  files: ['/srv/kvdeploy-none/web.conf', '/srv/kvdeploy-none/access.log'],
  sockets: ['/run/kvdeploy-none.sock'],
  programs: [['/bin/reload', '-s']],
  checks: ['http://127.0.0.1:9/health'],
  requests: [{ method: 'POST' as const, url: 'http://127.0.0.1:9/set', secret: 'TOKEN' }],
};

const [FILE = '', LOG = ''] = LISTED.files;
const [SOCKET = ''] = LISTED.sockets;
const [ARGV = []] = LISTED.programs;
const [URL = ''] = LISTED.checks;

const bounds = { timeoutMs: 100 };
const secret = { name: 'TOKEN', header: 'x-token' };
const table = {
  kind: 'table',
  address: SOCKET,
  command: 'show stat',
  separator: ',',
  where: {},
  key: 'name',
  rows: {},
  others: [],
};

const DEEDS: readonly Deed[] = [
  { do: 'hello' },
  { do: 'make', change: { kind: 'write-file', path: FILE, content: 'x' } },
  { do: 'make', change: { kind: 'run', argv: ARGV, stdin: '{}', ...bounds } },
  { do: 'make', change: { kind: 'socket', address: SOCKET, commands: ['set weight a/b 1'], ...bounds } },
  { do: 'make', change: { kind: 'request', method: 'POST', url: 'http://127.0.0.1:9/set', secret, expect: [200], ...bounds } },
  { do: 'may', change: { kind: 'write-file', path: FILE, content: 'x' } },
  { do: 'check', check: { kind: 'file', path: FILE, content: 'x' } },
  { do: 'check', check: { kind: 'run', argv: ARGV, json: ['a'], equals: 'b', ...bounds } },
  { do: 'check', check: { ...table, ...bounds } as never },
  { do: 'hear', asked: { kind: 'http', url: URL, ...bounds } },
  { do: 'question', question: { kind: 'http', url: URL, json: ['a'], ...bounds }, own: 'production', others: ['staging'] },
  {
    do: 'question',
    question: { kind: 'socket', address: SOCKET, command: 'show info', field: 'node', ...bounds },
    own: 'a',
    others: [],
  },
  { do: 'socket', address: SOCKET, line: 'show servers state web;quit', ...bounds },
  { do: 'run', argv: ARGV, ...bounds },
  { do: 'read', path: FILE },
  { do: 'log', path: LOG, members: { blue: ['127.0.0.1:1'] } },
  { do: 'workers', pidFile: FILE, answered: [1] },
];

/** Everything that was reached, and that nothing listed. */
function watched() {
  const strange: string[] = [];
  const see = (isListed: boolean, what: string) => {
    if (!isListed) strange.push(what);
  };
  const isFile = (path: unknown) => {
    const text = String(path);
    // nginx's own processes are looked at by number, and a folder for whether it holds a new file.
    return (
      LISTED.files.includes(text) ||
      text === '/srv/kvdeploy-none' ||
      text.startsWith('/srv/kvdeploy-none/.tmp.') ||
      /^\/proc(?:\/|$)/.test(text)
    );
  };
  const fs = new Proxy(nodeOutside.fs, {
    get: (real, name) => {
      const value: unknown = Reflect.get(real, name);
      if (typeof value !== 'function') return value;
      return (path: unknown, ...more: unknown[]) => {
        if (typeof path === 'string') see(isFile(path), `${String(name)} ${path}`);
        return (value as (...all: unknown[]) => unknown).call(real, path, ...more);
      };
    },
  });
  const outside: Outside = {
    ...nodeOutside,
    fs,
    http: async ({ method, url, unixSocket, connectTo, headers = {} }) => {
      const carries = Object.values(headers).some((value) => value.includes('hunter2'));
      see(method === 'GET' && !carries ? LISTED.checks.includes(url) : url === LISTED.requests[0]?.url, `${method} ${url}`);
      see(unixSocket === undefined || LISTED.sockets.includes(unixSocket), String(unixSocket));
      see(connectTo === undefined, String(connectTo));
      return { status: 200, headers: {}, body: '{"a":"b"}' };
    },
    socket: async (address, line) => {
      see(LISTED.sockets.includes(address), address);
      see(!/[\r\n\0]/.test(line), JSON.stringify(line));
      return 'name\n';
    },
    run: async (argv) => {
      see(JSON.stringify(argv) === JSON.stringify(ARGV), argv.join(' '));
      return { exitCode: 0, stdout: '{"a":"b"}', stderr: '' };
    },
    secret: () => 'hunter2',
    sleep: async () => undefined,
    monotonic: () => 1000,
  };
  return { strange, outside };
}

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

export const orders: Sweep<string> = {
  name: 'orders-over-ssh',
  what: 'orders over SSH',
  kind: 'texts',
  share: 0,
  make: (luck: Luck) => {
    if (luck.chance(0.02)) return hostileText(luck);
    const deed = luck.chance(0.3) ? mutated(luck, luck.pick(DEEDS)) : luck.pick(DEEDS);
    const order = {
      formatVersion: 1,
      id: luck.below(99),
      scope: SCOPE,
      at: 'n2',
      by: luck.pick(['rollout', 'rescue']),
      untilMs: luck.pick([999, 2000]),
      deed,
    };
    const text = JSON.stringify(luck.chance(0.4) ? mutated(luck, order) : order) ?? '';
    return luck.chance(0.2) ? damagedText(luck, text) : text;
  },
  judge: async (line) => {
    const { strange, outside } = watched();
    const machine = { targets: { 'acme/production/web': LISTED } };
    const host: AtHost = { outside, machine: () => machine, holdDirs: () => [], inTurn: limited(1) };
    const text = JSON.stringify(await replyTo(line, host));
    must(strange.length === 0, `it reached ${strange.join(', ')}`);
    must(!text.includes('hunter2'), 'it told a secret');
    const reply = parseReply(text);
    must(reply !== undefined, `it cannot be read at the other end: ${text.slice(0, 200)}`);
    if (!('done' in reply)) return 'refused' in reply ? 'refused' : 'failed';
    const { deed, untilMs = 0 } = parseOrder(line);
    must(deed.do !== 'make' || untilMs >= 1000, 'a change was made too late');
    readDone(deed, reply.done);
    return 'done';
  },
  must: ['done', 'failed', 'refused'],
};

const counts = { served: 3, byClass: { 200: 2, none: 1 }, answers: 2, averageMs: 1.5 };

const DONE: Readonly<Record<Deed['do'], unknown>> = {
  hello: { version: '0.1.0' },
  make: true,
  may: true,
  check: { ok: true, rows: { serving: ['a'], out: [['b', 'down']] } },
  question: { kind: 'other', why: 'it is staging' },
  hear: { status: 200, headers: { 'x-build': 'a' }, body: '{}' },
  socket: '# name\n',
  run: { exitCode: 0, stdout: '{}', stderr: '' },
  read: 'text',
  log: { counts: { '127.0.0.1:1': counts }, problem: 'some lines are not in the format' },
  workers: { leaving: 1, youngestMs: 10.5, unusable: { why: 'gone', cure: 'start it' } },
};

/** One answer of every kind: deeds are asked for by their place in this list. */
const KINDS = Object.keys(DONE) as Deed['do'][];

interface Answered {
  readonly kind: number;
  readonly line: string;
}

export const answersOverSsh: Sweep<Answered> = {
  name: 'answers-over-ssh',
  what: 'answers over SSH',
  kind: 'texts',
  share: 0,
  make: (luck: Luck) => {
    const kind = luck.below(KINDS.length);
    const whole = DONE[KINDS[kind] ?? 'hello'];
    const head = { id: luck.below(99), nowMs: luck.next() * 1e6 };
    const body = luck.pick([
      { done: luck.chance(0.6) ? mutated(luck, whole) : whole },
      { done: DONE[luck.pick(KINDS)] },
      { failed: hostileText(luck) },
      { held: hostileText(luck) },
      { refused: hostileText(luck), fix: hostileText(luck) },
    ]);
    const text = JSON.stringify(luck.chance(0.2) ? mutated(luck, { ...head, ...body }) : { ...head, ...body }) ?? '';
    return { kind, line: luck.chance(0.15) ? damagedText(luck, text) : text };
  },
  judge: ({ kind, line }) => {
    const reply = parseReply(String(line));
    if (reply === undefined) return 'none';
    must(Number.isSafeInteger(reply.id) && Number.isFinite(reply.nowMs), 'a head that is none');
    if (!('done' in reply)) {
      const { id: _id, nowMs: _nowMs, ...texts } = reply;
      for (const said of Object.values(texts)) {
        mustBeSafe(said, 'what a host says');
        must(!said.includes('\n') && said.length < 30_000, 'what a host says is more than a line');
      }
      return 'said';
    }
    const what = KINDS[Number(kind)] ?? 'hello';
    let done: unknown;
    try {
      done = readDone({ do: what } as Deed, reply.done);
    } catch (error) {
      must(error instanceof Error && error.constructor === Error, `not a plain refusal: ${String(error)}`);
      return 'refused';
    }
    mustBeA(what, done);
    return 'read';
  },
  must: ['none', 'said', 'refused', 'read'],
};

/** What is relied on of an answer, said once more by hand. */
function mustBeA(what: Deed['do'], done: unknown): void {
  const of = Object(done) as Readonly<Record<string, unknown>>;
  if (['make', 'may'].includes(what)) must(done === true, 'something else than true was done');
  if (['socket', 'read'].includes(what)) must(typeof done === 'string', 'no text');
  if (what === 'run') must(Number.isInteger(of['exitCode']) && typeof of['stdout'] === 'string', 'no end of a program');
  if (what === 'hear') must(Number(of['status']) >= 100 && typeof of['body'] === 'string', 'no answer of a server');
  if (what !== 'check') return;
  must(
    typeof of['unknown'] === 'string' || of['ok'] === true || (of['ok'] === false && typeof of['why'] === 'string'),
    'no verdict',
  );
  const { rows } = of as { rows?: { serving: unknown; out: unknown } };
  must(rows === undefined || (Array.isArray(rows.serving) && rows.out instanceof Map), 'rows that are none');
  if (typeof of['why'] === 'string') mustBeSafe(of['why'], 'why');
}
