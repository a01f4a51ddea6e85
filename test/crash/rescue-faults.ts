/**
 * The fault sweep of break-glass itself: one of its calls fails or lies while a frozen leader holds the scope. It must bring traffic back
 * or say what it could not do, and nothing that it says may be untrue.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pointerDir } from '../../src/base/pointer/pointer.ts';
import { type Rescue, readRecords } from '../../src/base/pointer/records.ts';
import { nodeIo } from '../../src/io.ts';
import { BLUE, GREEN, PRODUCTION, SURE } from '../cli/local-builds.ts';
import { type LocalSite, openLocalSite } from '../cli/local-site.ts';
import { BIN } from '../cli/run-cli.ts';
import { until } from '../servers/program.ts';
import { SCOPE } from '../stores/entries.ts';
import { buildProgram } from './build.ts';
import { faultsOf } from './fault-sweep.ts';
import { RESCUE, whereOf } from './kill-acts.ts';
import { stopped } from './stopper.ts';
import { type Call, callAlike, injectedAlike, isOwn, type Ran, run, trace, type Where } from './strace.ts';
import { listenOf } from './takeover.ts';

export interface RescueFault {
  /** The folder of the site whose calls were traced. */
  readonly tracedIn: string;
  readonly call: Call;
  readonly fault: string;
}

/** A site that was promoted to green, and the program that leads its scope until it is ended. */
export interface RescueSite {
  readonly site: LocalSite;
  readonly leader: string;
}

/** A leader that was stopped in the middle of its shifts. */
interface Frozen {
  readonly at: string;
  readonly routes: string;
  isThere(): boolean;
  readonly ended: Promise<unknown>;
  wake(): Promise<unknown>;
}

/** Who it is, who leads, the router, and whoever listens to it; what node does for itself is not its own. */
const BESIDES =
  /boot_id|"\/proc\/\d+\/stat"|<\/proc\/\d+\/stat>|<\/proc\/sys\/kernel\/random|socket\(AF_INET|^(?!socket\().*<socket:|^kill\(/;
const ARGV = [process.execPath, BIN, ...RESCUE, '--json'];
const REVIEW = ['reconcile', ...PRODUCTION, ...SURE, '--reason', 'swept by a test', '--json'];

export async function openRescueSite(): Promise<RescueSite> {
  const site = await openLocalSite(['production']);
  site.writeConfig({ bakeMs: 50 });
  for (const args of [
    ['adopt', ...PRODUCTION, ...SURE],
    ['promote', ...PRODUCTION, '--build', GREEN.guid, ...SURE],
  ]) {
    const { exitCode, stderr } = await site.run([...args, '--json']);
    if (exitCode !== 0) throw new Error(`${args[0]} ended with ${exitCode}: ${stderr}`);
  }
  site.keep('promoted');
  return { site, leader: await buildProgram('leader') };
}

/** Every call of a rescue that ends a leader, and every fault of it. */
export async function rescueFaults({ site, leader }: RescueSite): Promise<readonly RescueFault[]> {
  const frozen = await freeze({ site, leader });
  const { calls, ran } = await trace(ARGV, whereIn(site), site.folder, 'all', BESIDES);
  await frozen.wake();
  if (ran.exitCode !== 0) throw new Error(`break-glass fails without a fault: ${ran.stderr}`);
  return calls.flatMap((call) => faultsAt(call).map((fault) => ({ tracedIn: site.folder, call, fault })));
}

function faultsAt(call: Call): readonly string[] {
  if (isTalk(call)) return ['error=EIO', 'error=ENOSPC'];
  return call.text.includes('<socket:') && call.name.startsWith('write') ? ['error=EIO'] : faultsOf(call);
}

/** What it says to people; nothing can be judged by its words then. */
function isTalk({ name, text }: Call): boolean {
  return name.startsWith('write') && /^\w+\([12]</.test(text);
}

async function freeze({ site, leader }: RescueSite): Promise<Frozen> {
  await site.restore('promoted');
  const addresses = Object.fromEntries(['blue', 'green'].map((name) => [name, site.backend('production', name).address]));
  const routes = site.routes('production');
  const settings = { kind: 'local', listen: listenOf(site.checkout), routes, addresses };
  const child = spawn(process.execPath, [leader, 'shift', site.stateDir, JSON.stringify(settings)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  let said = '';
  child.stdout.on('data', (data) => {
    said += data;
  });
  await until('the leader leads', () => (said.includes('leads') ? true : undefined), 20_000);
  child.kill('SIGSTOP');
  // Its threads go on for a moment after the signal was sent, and may still write what is read below.
  await stopped(child.pid ?? 0);
  const isThere = () => child.exitCode === null && child.signalCode === null;
  const wake = async () => {
    child.kill('SIGCONT');
    // Where nothing stops it any more it would lead for ever.
    const limit = setTimeout(() => child.kill('SIGKILL'), 1000);
    await ended;
    clearTimeout(limit);
  };
  return { at: new Date().toISOString(), routes: readFileSync(routes, 'utf8'), isThere, ended, wake };
}

/** Two runs are alike as a rule, not always: how often node wakes itself up before an answer is read is a matter of chance. */
const ATTEMPTS = 20;

/** Returns what went wrong, or undefined. */
export async function tryRescueFault(place: RescueSite, point: RescueFault): Promise<string | undefined> {
  let { call } = point;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const tried = await tryOnce(place, { ...point, call });
    if (tried !== 'missed') return tried;
    call = (await foundAgain(place, point)) ?? call;
  }
  return `break-glass, ${point.fault} at ${point.call.text}: it never came to that call again`;
}

/** That call in a run of now: the calls before it may be fewer or more than when it was traced. */
async function foundAgain(place: RescueSite, { call, tracedIn }: RescueFault): Promise<Call | undefined> {
  const { site } = place;
  const frozen = await freeze(place);
  const found = await callAlike(call, ARGV, whereIn(site), { tracedIn, folder: site.folder });
  await frozen.wake();
  return found === undefined ? undefined : { ...call, nth: found.nth };
}

async function tryOnce(place: RescueSite, { call, fault, tracedIn }: RescueFault): Promise<string | undefined> {
  const { site } = place;
  const frozen = await freeze(place);
  const { ran, met } = await injectedAlike(call, fault, ARGV, whereIn(site), { tracedIn, folder: site.folder });
  if (!isOwn(met, site.folder) && !BESIDES.test(met) && !isTalk({ ...call, text: met })) {
    await frozen.wake();
    return 'missed';
  }
  if (/was ended|has already exited/.test(ran.stderr)) await Promise.race([frozen.ended, nodeIo.sleep(1000)]);
  const faults = isTalk({ ...call, text: met }) ? await unheard(site, ran) : await untrue(site, ran, frozen);
  await frozen.wake();
  const isLeft = ran.stderr.includes('may still be running');
  if (ran.exitCode === 0 && !isLeft && (await percent(site)) !== 100) faults.push('the leader that woke up moved traffic');
  faults.push(...(await carryOn(site)));
  if (faults.length === 0) return undefined;
  return `break-glass, ${fault} at ${met}: ${faults.join('; ')}\n${ran.stdout}${ran.stderr}`;
}

/** Nobody listens: the rescue is complete all the same. */
async function unheard(site: LocalSite, { exitCode }: Ran): Promise<string[]> {
  const held = existsSync(join(pointerDir(site.stateDir, SCOPE), 'hold'));
  return exitCode === 0 && held && (await percent(site)) === 100 ? [] : [`exit ${exitCode}, held ${held}, and nobody heard it`];
}

interface Result {
  readonly type: string;
  readonly code: string | null;
  readonly exitCode: number;
  readonly message: string;
  readonly hint: string | null;
  readonly next: readonly string[];
}

/** Everything it said that is not so, and everything that it should have said. */
async function untrue(site: LocalSite, ran: Ran, frozen: Frozen): Promise<string[]> {
  const result = ran.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"type":"result"'))
    .map((line) => JSON.parse(line) as Result)[0];
  if (result === undefined) return [`exit ${ran.exitCode} without a result`];
  const faults = result.code === null ? await claimed(site, ran) : excused(site, ran, result, frozen);
  return [...faults, ...notesAgainst(site, ran, result, frozen)];
}

/** It says that traffic is back. */
async function claimed(site: LocalSite, ran: Ran): Promise<string[]> {
  const faults = ran.exitCode === 0 ? [] : [`a success with exit ${ran.exitCode}`];
  return (await percent(site)) === 100 ? faults : [...faults, 'it said that blue serves'];
}

/** It says that it failed: at what, and what that leaves of the traffic. */
function excused(site: LocalSite, ran: Ran, { code, message, hint, next }: Result, frozen: Frozen): string[] {
  const faults: string[] = [];
  if (ran.exitCode === 0 || code === 'BUG') faults.push(`${code} with exit ${ran.exitCode}`);
  if (message.length < 20 || hint === null) faults.push('no word about what to do');
  if (code === 'STUCK' && !/^1 changes failed: change 1 of 1 failed: ./.test(message)) faults.push('it does not say what failed');
  if (code === 'NOT_VERIFIED' && !/not verified: .|check failed: ./.test(message)) faults.push('it does not say what it doubts');
  const isUnchanged = readFileSync(site.routes('production'), 'utf8') === frozen.routes;
  if (/^ {2}traffic {2}unchanged$/m.test(ran.stderr) && !isUnchanged) faults.push('it said that traffic is unchanged');
  if (code === 'STUCK' && next.length === 0) faults.push('no command for afterwards');
  return faults;
}

/** Hold, record and leader are as it said while it worked. */
function notesAgainst(site: LocalSite, { stdout, stderr }: Ran, { code, message }: Result, frozen: Frozen): string[] {
  const dir = pointerDir(site.stateDir, SCOPE);
  const isHeld = existsSync(join(dir, 'hold'));
  const faults: string[] = [];
  const must = (holds: boolean, what: string) => void (holds || faults.push(what));
  const acted = /recorded in |NOT RECORDED/.test(stderr);
  if (!acted) {
    must(!isHeld, 'a hold from a rescue that did not begin');
    must(code !== null && code !== 'STUCK' && code !== 'NOT_VERIFIED', 'a rescue without a record');
    must(frozen.isThere(), 'it ended the leader, and did not act');
    return faults;
  }
  must(isHeld || stderr.includes('HOLD NOT WRITTEN'), 'there is no hold, and it does not say so');
  must(isHeld || !/hold set in|The hold stops every rollout/.test(stderr + stdout), 'it said that a hold is set');
  must(isHeld || code !== null || /HOLD NOT WRITTEN/.test(message), 'its last word does not say that the hold is missing');
  must(!frozen.isThere() || !/was ended|has already exited/.test(stderr), 'it said that the leader is gone');
  must(!frozen.isThere() || stderr.includes('may still be running'), 'the leader is there, and it does not say so');
  const last = recordSince(frozen.at, site);
  must(last?.intent != null || stderr.includes('NOT RECORDED'), 'the record that it wrote is gone');
  must(last?.outcome != null || stderr.includes('NOT RECORDED'), 'the outcome that it wrote is gone');
  must(last?.outcome?.result !== 'verified' || code === null, 'the record says more than it said');
  return faults;
}

function recordSince(at: string, site: LocalSite): Rescue | undefined {
  const own = join(site.folder, `kvdeploy-${process.geteuid?.()}`);
  const dirs = [pointerDir(site.stateDir, SCOPE), join(site.home, '.local/state/kvdeploy'), own];
  return readRecords(dirs, SCOPE, nodeIo.fs).rescues.find((rescue) => (rescue.intent ?? rescue.outcome ?? { at: '' }).at >= at);
}

/** Where its own commands run; what it cannot record elsewhere lies in `<folder>/kvdeploy-<uid>`. */
function whereIn(site: LocalSite): Where {
  const { cwd, env } = whereOf(site);
  return { cwd, env: { ...env, TMPDIR: site.folder } };
}

/** The same command once more brings traffic back and holds it, and then the review lifts the hold. */
async function carryOn(site: LocalSite): Promise<string[]> {
  const again = await run(ARGV, whereIn(site));
  const held = existsSync(join(pointerDir(site.stateDir, SCOPE), 'hold'));
  if (again.exitCode !== 0 || !held || (await percent(site)) !== 100)
    return [`once more, it ends with ${again.exitCode}, held ${held}: ${again.stderr}`];
  const review = await site.run(REVIEW);
  return review.exitCode === 0 ? [] : [`reconcile ends with ${review.exitCode}: ${review.stderr}`];
}

async function percent(site: LocalSite): Promise<number> {
  return site.percent('production', BLUE.ref);
}
