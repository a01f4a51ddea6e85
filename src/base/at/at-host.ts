/**
 * Does on this host what another one asks over SSH: makes, checks and looks by the same code as everywhere, within this host's machine file, and
 * makes nothing for a rollout while a hold lies here. Must do nothing that the machine file does not list for that scope.
 */
import { readFileSync } from 'node:fs';
import type { Allowed, Deed, Done, Outside } from '../changes/change.ts';
import { check } from '../changes/checks.ts';
import { make } from '../changes/make.ts';
import { askTarget } from '../changes/target-question.ts';
import { readLog } from '../nginx/nginx-log.ts';
import { workersOf } from '../nginx/nginx-workers.ts';
import type { Machine } from '../owners/machine-format.ts';
import { notAllowed, type Reach, reachOf, reachText, stanza } from '../owners/targets.ts';
import { readHold } from '../pointer/hold.ts';
import type { Scope } from '../scope.ts';
import { type Order, parseOrder, type Reply } from './at-format.ts';

export interface AtHost {
  readonly outside: Outside;
  /** Read anew for each order: a hold or a machine file may come at any time. */
  readonly machine: () => Machine;
  /** Every folder on this host that may have a hold of this scope. */
  readonly holdDirs: (scope: Scope) => readonly string[];
}

const NOTHING: Reach = { files: [], sockets: [], programs: [], checks: [], requests: [] };

/** The reply to one line. Never rejects. */
export async function replyTo(line: string, host: AtHost): Promise<Reply> {
  let order: Order;
  try {
    order = parseOrder(line);
  } catch (error) {
    return {
      id: idIn(line),
      failed: `this host does not understand the order: ${textOf(error)}; use the same version of kvdeploy on both`,
    };
  }
  const { id, scope, deed, by } = order;
  try {
    const machine = host.machine();
    const name = `${scope.tenant}/${scope.environment}/${scope.service}`;
    const missing = notAllowed(reachOfDeed(deed), machine, name);
    if (missing !== undefined) {
      const lines = stanza(missing, machine, name).map((one) => one.trim());
      return {
        id,
        refused: `the machine file of this host does not allow ${name} to touch ${reachText(missing)}`,
        fix: lines.join(' '),
      };
    }
    const held: Allowed = () => (by === 'rescue' ? undefined : readHold(host.holdDirs(scope), host.outside.fs)?.text);
    const against = deed.do === 'make' ? held() : undefined;
    if (against !== undefined) return { id, held: against };
    return { id, done: await doIt(deed, host.outside, held) };
  } catch (error) {
    return { id, failed: textOf(error) };
  }
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
      return reachOf({ ...none, checks: [deed.check] });
    case 'question':
      return reachOf({ ...none, questions: [deed.question] });
    case 'http':
      return { ...NOTHING, checks: [deed.asking.url] };
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

async function doIt(deed: Deed, outside: Outside, held: Allowed): Promise<Done[keyof Done]> {
  const always = () => undefined;
  switch (deed.do) {
    case 'hello':
    case 'may':
      return true;
    case 'make':
      await make(deed.change, outside, held);
      return true;
    case 'check':
      return check(deed.check, outside);
    case 'question':
      return askTarget(deed.question, deed.own, deed.others, outside);
    case 'http':
      return outside.http(deed.asking, always);
    case 'socket':
      return outside.socket(deed.address, deed.line, deed.timeoutMs, always);
    case 'run':
      return outside.run(deed.argv, deed.timeoutMs, always, deed.stdin);
    case 'read':
      return readFileSync(deed.path, 'utf8');
    case 'log': {
      const { counts, problem } = readLog(deed.path, deed.members, { fs: outside.fs, nowMs: outside.monotonic() });
      return { counts: Object.fromEntries(counts), ...(problem === undefined ? {} : { problem }) };
    }
    case 'workers':
      return workersOf(deed.pidFile, deed.answered, outside.fs);
  }
}

/** So that whoever waits for the reply gets it, whatever else is wrong with the line. */
function idIn(line: string): number {
  return Number(/"id": ?(\d{1,15})/.exec(line)?.[1] ?? -1);
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
