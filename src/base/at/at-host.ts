/**
 * Does on this host what another one asks over SSH: makes, checks and looks by the same code as everywhere, within this host's machine file, and
 * makes nothing for a rollout while a hold lies here. Must do nothing that the machine file does not list for that scope.
 */
import { constants } from 'node:fs';
import type { Allowed, Asked, Deed, HttpAnswer, Outside } from '../changes/change.ts';
import { check } from '../changes/checks.ts';
import { make } from '../changes/make.ts';
import { prepare } from '../changes/prepare.ts';
import { askTarget } from '../changes/target-question.ts';
import { readAll, withFile } from '../durable/open-file.ts';
import type { Limited } from '../limited.ts';
import { readLog } from '../nginx/nginx-log.ts';
import { workersOf } from '../nginx/nginx-workers.ts';
import type { Machine } from '../owners/machine-format.ts';
import { notAllowed, type Reach, reachOf, reachText, stanza } from '../owners/targets.ts';
import { readHold } from '../pointer/hold.ts';
import type { Scope } from '../scope.ts';
import { sentChecked } from './at-answers.ts';
import { type Order, parseOrder, type Reply } from './at-format.ts';

/** Set by the build. */
declare const KVDEPLOY_VERSION: string | undefined;

export interface AtHost {
  readonly outside: Outside;
  /** Read anew for each order: a hold or a machine file may come at any time. */
  readonly machine: () => Machine;
  /** Every folder on this host that may have a hold of this scope. */
  readonly holdDirs: (scope: Scope) => readonly string[];
  /** One change after another. */
  readonly inTurn: Limited;
  /** The only scope that this key may ask for, as `tenant/environment/service`. */
  readonly only?: string | undefined;
}

const NOTHING: Reach = { files: [], sockets: [], programs: [], checks: [], requests: [] };

/** The include of a router, which is what is read whole. */
const MOST_READ_BYTES = 4 * 1024 * 1024;

type Said = { readonly done: unknown } | { readonly failed: string } | { readonly held: string } | Refusal;

interface Refusal {
  readonly refused: string;
  readonly fix: string;
}

/** The reply to one line. Never rejects. */
export async function replyTo(line: string, host: AtHost): Promise<Reply> {
  const { id, said } = await answerTo(line, host);
  return { ...said, id, nowMs: Math.round(host.outside.monotonic()) };
}

async function answerTo(line: string, host: AtHost): Promise<{ readonly id: number; readonly said: Said }> {
  let order: Order;
  try {
    order = parseOrder(line);
  } catch (error) {
    const failed = `this host does not understand the order: ${textOf(error)}; use the same version of kvdeploy on both`;
    return { id: idIn(line), said: { failed } };
  }
  const { id, deed } = order;
  try {
    return { id, said: deed.do === 'make' ? await host.inTurn(() => obey(order, host)) : await obey(order, host) };
  } catch (error) {
    return { id, said: { failed: textOf(error) } };
  }
}

async function obey({ scope, deed, by, untilMs }: Order, host: AtHost): Promise<Said> {
  const name = `${scope.tenant}/${scope.environment}/${scope.service}`;
  if (host.only !== undefined && host.only !== name)
    return { failed: `the key is for ${host.only} alone on this host, not for ${name} (authorized_keys)` };
  const refusal = refusalOf(deed, name, host.machine());
  if (refusal !== undefined) return refusal;
  const held: Allowed = () => (by === 'rescue' ? undefined : readHold(host.holdDirs(scope), host.outside.fs)?.text);
  if (deed.do === 'make') {
    // Frozen, or cut off: whoever sent it has given it up, and may have sent another one over a new connection.
    if (!(untilMs !== undefined && untilMs >= host.outside.monotonic()))
      return { failed: 'the change came too late, so it was not made' };
    const against = held();
    if (against !== undefined) return { held: against };
  }
  return { done: await doIt(deed, host.outside, held) };
}

function refusalOf(deed: Deed, name: string, machine: Machine): Refusal | undefined {
  const missing = notAllowed(reachOfDeed(deed), machine, name);
  if (missing === undefined) return undefined;
  const lines = stanza(missing, machine, name).map((one) => one.trim());
  return {
    refused: `the machine file of this host does not allow ${name} to touch ${reachText(missing)}`,
    fix: lines.join(' '),
  };
}

/** What it touches, as the machine file lists it. What is read by nginx's own words has no list: its log and its processes show counts alone. */
function reachOfDeed(deed: Deed): Reach {
  const none = { changes: [], checks: [], identity: [], questions: [] };
  switch (deed.do) {
    case 'hello':
      return NOTHING;
    case 'make':
    case 'may':
      return reachOf({ ...none, changes: [deed.change] });
    case 'check':
      return withCa(reachOf({ ...none, checks: [deed.check] }), deed.check);
    case 'question':
      return reachOf({ ...none, questions: [deed.question] });
    case 'hear':
      return withCa(reachOf({ ...none, checks: [{ ...deed.asked, equals: '' }] }), deed.asked);
    case 'socket':
      return { ...NOTHING, sockets: [deed.address] };
    case 'run':
      return { ...NOTHING, programs: [deed.argv] };
    case 'read':
    case 'log':
      return { ...NOTHING, files: [deed.path] };
    case 'workers':
      return { ...NOTHING, files: [deed.pidFile] };
  }
}

/** What TLS believes is read too: whether and how a file can be read is nothing that this host tells of any other one. */
function withCa(reach: Reach, asked: { readonly kind: string; readonly ca?: string; readonly secret?: unknown }): Reach {
  return asked.ca === undefined || asked.secret !== undefined ? reach : { ...reach, files: [...reach.files, asked.ca] };
}

async function doIt(deed: Deed, outside: Outside, held: Allowed): Promise<unknown> {
  const always = () => undefined;
  switch (deed.do) {
    case 'hello':
      return { version: typeof KVDEPLOY_VERSION === 'string' ? KVDEPLOY_VERSION : '0.0.0-source' };
    case 'may':
      return true;
    case 'make':
      await make(deed.change, outside, held);
      return true;
    case 'check':
      return sentChecked(await check(deed.check, outside));
    case 'question':
      return askTarget(deed.question, deed.own, deed.others, outside);
    case 'hear':
      return hear(deed.asked, outside);
    case 'socket':
      return outside.socket(deed.address, deed.line, deed.timeoutMs, always);
    case 'run':
      return outside.run(deed.argv, deed.timeoutMs, always, deed.stdin);
    case 'read':
      return read(deed.path, outside);
    case 'log': {
      const { counts, problem } = readLog(deed.path, deed.members, { fs: outside.fs, nowMs: outside.monotonic() });
      return { counts: Object.fromEntries(counts), ...(problem === undefined ? {} : { problem }) };
    }
    case 'workers':
      return workersOf(deed.pidFile, deed.answered, outside.fs);
  }
}

async function hear(asked: Asked, outside: Outside): Promise<HttpAnswer> {
  const { asking, hide } = await prepare(asked, outside);
  const { status, headers, body } = await outside.http(asking, () => undefined);
  return {
    status,
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, hide(value)])),
    body: hide(body),
  };
}

/** Not what blocks: a pipe or a device. */
function read(path: string, { fs }: Outside): string {
  return withFile(path, constants.O_RDONLY | constants.O_NONBLOCK, fs, (fd) => {
    const stat = fs.fstatSync(fd);
    if (!stat.isFile()) throw new Error(`${path} is not a regular file`);
    if (stat.size > MOST_READ_BYTES) throw new Error(`${path} has more than ${MOST_READ_BYTES} bytes`);
    return readAll(fd, MOST_READ_BYTES, fs).toString('utf8');
  });
}

/** So that whoever waits for the reply gets it, whatever else is wrong with the line. */
function idIn(line: string): number {
  return Number(/"id": ?(\d{1,15})/.exec(line)?.[1] ?? -1);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
