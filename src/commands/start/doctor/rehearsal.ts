/** `doctor --break-glass`: the real rescue program, with nothing around it, up to its first write. Must stop it there. */
import { join } from 'node:path';
import type { Change } from '../../../base/changes/change.ts';
import { secretsOf } from '../../../base/changes/prepare.ts';
import { RESCUE_FILE, readPointers } from '../../../base/pointer/pointer.ts';
import type { Scope } from '../../../base/scope.ts';
import { rescueGoal } from '../../../core/ledger/history.ts';
import { type OutputLine, outputLineSchema } from '../../../core/output.ts';
import { scopeFlags } from '../../../core/scope.ts';
import { rescueSource } from '../../../engine/pointer-writer.ts';
import { rescueProblem } from '../../../lead/idle-pointer.ts';
import type { Deps } from '../../../release/deps.ts';
import type { Opened } from '../../../release/open.ts';
import { type DoctorCheck, fail, ok, warn } from './check.ts';
import { namesCheck } from './state.ts';

const RUN_MS = 10_000;

const TRY_MS = 2000;

/** Sets what stands in each line of the input, then becomes the program. */
const WITH_SECRETS = ['/bin/sh', '-c', 'while IFS= read -r line; do export "$line"; done; exec "$@"', 'sh'];

/** Rehearses with the program and the pointer of one folder; `serviceAddresses`: where the service and its builds are reached. */
export async function rehearsalChecks(
  opened: Opened,
  dir: string,
  serviceAddresses: readonly string[],
  deps: Deps,
): Promise<readonly DoctorCheck[]> {
  const { newest } = readPointers(dir, deps.io.fs, opened.scope);
  const renew = `Find out who changed it, then: kvdeploy pointer verify --renew ${opened.flags}`;
  // Where nothing was ever known-good, no one can have changed it.
  if (newest === null && rescueGoal(opened.history) === null)
    return [fail('rescue', `there is no pointer in ${dir}: no build is known-good yet`, `kvdeploy adopt ${opened.flags}`)];
  if (newest === null) return [fail('rescue', `no pointer in ${dir} verifies`, renew)];
  const other = rescueProblem(dir, deps.io);
  if (other !== undefined) return [fail('rescue', `${other}: another version, or TAMPERING. It was not run`, renew)];
  const { changes, checks, identity } = newest.knownGood;
  const secrets = secretsOf([...changes, ...checks, ...identity]);
  const asked = secretsOf([...checks, ...identity]);
  const run = (prefix: readonly string[]) => rehearse(dir, opened.scope, { secrets, asked }, prefix, deps);
  const [whole, cut] = await Promise.all([run([]), isolation(deps).then((prefix) => prefix && run(prefix))]);
  return [
    decisionCheck(dir, whole),
    networkCheck(cut),
    readBackCheck(whole, opened),
    circularCheck(circularChanges(changes, serviceAddresses)),
    secretCheck(secrets, deps),
    ...namesCheck(newest),
  ];
}

interface Rehearsed {
  readonly exitCode: number;
  readonly lines: readonly OutputLine[];
}

/**
 * An empty environment, the root folder, no input, and the installed program, which has the bytes of the one next to the pointer: that
 * one could be exchanged before it runs. Of a secret that only changes need its name goes along: a rehearsal makes none. What is asked
 * needs the real one, which goes through a pipe and stands in no argument list.
 */
async function rehearse(
  dir: string,
  scope: Scope,
  { secrets, asked }: { readonly secrets: readonly string[]; readonly asked: readonly string[] },
  prefix: readonly string[],
  { io }: Deps,
): Promise<Rehearsed> {
  const given = secrets.flatMap((name) => {
    const value = io.secret(name) ?? '';
    return value === '' ? [] : [`${name}=${asked.includes(name) ? value : 'set'}\n`];
  });
  const bare = ['sh', '-c', 'cd / && exec "$@"', 'sh', ...prefix, 'env', '-i', ...WITH_SECRETS];
  const program = [
    process.execPath,
    rescueSource(),
    '--state-dir',
    rootOfPointer(dir),
    '--rehearse',
    '--json',
    ...scopeFlags(scope).split(' '),
  ];
  const { exitCode, stdout } = await io.run([...bare, ...program], RUN_MS, () => undefined, given.join(''));
  return { exitCode, lines: stdout.split('\n').flatMap(lineOf) };
}

/** The state directory, or the copy, that a pointer's folder lies in: below it are tenant, environment and service. */
function rootOfPointer(dir: string): string {
  return join(dir, '..', '..', '..', '..');
}

function lineOf(text: string): OutputLine[] {
  try {
    return [outputLineSchema.parse(JSON.parse(text))];
  } catch {
    return [];
  }
}

/** How to run a program without any network here; undefined if that is not possible. */
async function isolation({ io }: Deps): Promise<readonly string[] | undefined> {
  for (const prefix of [
    ['unshare', '-n'],
    ['unshare', '-r', '-n'],
  ]) {
    const tried = await io.run([...prefix, 'true'], TRY_MS, () => undefined).catch(() => undefined);
    if (tried?.exitCode === 0) return prefix;
  }
  return undefined;
}

function documentOf({ lines }: Rehearsed, name: string): Readonly<Record<string, unknown>> | undefined {
  const found = lines.find((line) => line.type === 'document' && line.name === name);
  return found?.type === 'document' ? (found.data as Record<string, unknown>) : undefined;
}

function resultOf({ lines, exitCode }: Rehearsed): { readonly message: string; readonly hint: string } {
  const result = lines.find((line) => line.type === 'result');
  if (result?.type !== 'result') return { message: `it exited ${exitCode} without output`, hint: 'Run it by hand.' };
  return { message: `${result.code ?? ''} ${result.message}`.trim(), hint: result.hint ?? 'Run it by hand.' };
}

function decisionCheck(dir: string, whole: Rehearsed): DoctorCheck {
  const plan = documentOf(whole, 'break-glass');
  const times = documentOf(whole, 'rehearsal');
  const how = `${join(dir, RESCUE_FILE)} with an empty environment, from /`;
  if (plan === undefined) {
    const { message, hint } = resultOf(whole);
    return fail('rescue', `${how}: ${message}`, hint);
  }
  const { guid, version } = plan['build'] as { guid: string; version: string };
  const ms = (name: string) => `${Math.round(Number(times?.[name]))} ms`;
  const took = `; decided ${ms('decidedAfterMs')} after its start, ready for the first change ${ms('readyAfterMs')}`;
  return ok('rescue', `${how}: it would roll back to ${guid} (${version})${times === undefined ? '' : took}`);
}

function networkCheck(cut: Rehearsed | undefined): DoctorCheck {
  const name = 'no network';
  if (cut === undefined)
    return warn(name, 'not verified: this user cannot run a program without network (unshare -n)', 'Run doctor once as root.');
  if (documentOf(cut, 'break-glass') !== undefined) return ok(name, 'without any network, it makes the same decision');
  const { message, hint } = resultOf(cut);
  return fail(name, `without any network, it does not decide: ${message}`, hint);
}

function readBackCheck(whole: Rehearsed, { flags }: Opened): DoctorCheck {
  const { message, hint } = resultOf(whole);
  if (whole.exitCode === 0) return ok('read back', message);
  return fail('read back', message, documentOf(whole, 'break-glass') === undefined ? hint : `kvdeploy doctor ${flags}`);
}

function circularCheck(circular: readonly string[]): DoctorCheck {
  if (circular.length === 0) return ok('circularity', 'no change of the rollback path runs through the service itself');
  const found = `the rollback path runs through the service itself: ${circular.join(', ')}`;
  return fail('circularity', found, 'Give the router a separate address for changes.');
}

function secretCheck(secrets: readonly string[], { io }: Deps): DoctorCheck {
  const missing = secrets.filter((name) => (io.secret(name) ?? '') === '');
  if (missing.length > 0)
    return fail('secrets', `not set in the environment: ${missing.join(', ')}`, 'Keep them where the person on call has them.');
  return ok('secrets', secrets.length === 0 ? 'the changes need none' : `${secrets.join(', ')}: set`);
}

/** `127.0.0.1:8080` of a URL or a socket address; undefined for a path on this machine. Loopback has one name. */
function endpointOf(address: string): string | undefined {
  if (address.startsWith('/')) return undefined;
  const text = address.includes('://') ? address : `tcp://${address}`;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const host = url.hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return `${/^(?:localhost|127\..*|::1|0\.0\.0\.0|::)$/.test(host) ? 'loopback' : host}:${port}`;
}

/** The changes whose other side is one of `serviceAddresses`: where the service listens, and where its builds run. */
export function circularChanges(changes: readonly Change[], serviceAddresses: readonly string[]): readonly string[] {
  const own = new Set(serviceAddresses.flatMap((address) => endpointOf(address) ?? []));
  const addresses = changes.flatMap((change) =>
    change.kind === 'request' ? [change.url] : change.kind === 'socket' ? [change.address] : [],
  );
  return [...new Set(addresses)].filter((address) => own.has(endpointOf(address) ?? ''));
}
