/**
 * The program break-glass.mjs: rolls back to a known-good build with only the local disk and the router. Must not use any network
 * before its decision is confirmed, and must import only node:, base and this folder.
 */
import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { dirname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveAt } from '../base/at/at-serve.ts';
import { elsewhereBy } from '../base/at/at-ssh.ts';
import type { Outside } from '../base/changes/change.ts';
import { nodeOutside } from '../base/changes/outside.ts';
import { knownPlaces, type Roots, rootsOf } from '../base/durable/places.ts';
import { actorOf, claimsOf } from '../base/owners/actor.ts';
import { readMachine } from '../base/owners/machine-file.ts';
import { strangerHint } from '../base/owners/owner-rule.ts';
import { readHold } from '../base/pointer/hold.ts';
import { pointerDir } from '../base/pointer/pointer.ts';
import { canonical } from '../base/shape.ts';
import { shellWord } from '../base/text.ts';
import { chooseBuild } from './choose.ts';
import { chooseSource, findPlaces, type Place, rootOf, type Source, scopeOptions } from './find.ts';
import { type Machine, nodeMachine } from './leader.ts';
import { checkedReason, confirm, HELP, type Options, parseOptions, type Terminal } from './options.ts';
import { showPlan } from './plan-text.ts';
import { Refused } from './refusal.ts';
import { REASON_TO_SAY, rehearse } from './rehearsal.ts';
import { type Rescuing, rescue } from './rescue.ts';
import { type Ending, Voice } from './voice.ts';
import { refuseStrangeChanges, withoutStrangeAddresses } from './whose.ts';

/** Everything that a run needs from outside. */
export interface Surroundings extends Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly outside: Outside;
  readonly machine: Machine;
  readonly roots: Roots;
  /** The folder of this program, which may contain a pointer. */
  readonly ownDir: string | undefined;
  /** The command that runs this program, to print commands that can be pasted. */
  readonly program: string;
}

/** The real ones. */
export function realSurroundings(): Surroundings {
  const { stdin, stdout, stderr, env } = process;
  const file = fileURLToPath(import.meta.url);
  const program = isMainProgram() ? `node ${shellWord(file)}` : 'kvdeploy rollback --break-glass';
  const roots = rootsOf(env, nodeOutside.fs);
  return { stdin, stdout, stderr, env, outside: nodeOutside, machine: nodeMachine, roots, ownDir: dirname(file), program };
}

/**
 * Runs `rollback --break-glass` with the arguments after the program's name, and returns the exit code. Prints everything itself;
 * never throws.
 */
export async function breakGlass(argv: readonly string[], surroundings: Surroundings = realSurroundings()): Promise<number> {
  const { stdout, stderr } = surroundings;
  // A closed pipe must not end break-glass halfway.
  for (const stream of [stdout, stderr]) stream.on('error', () => {});
  if (argv[0] === 'at') return at(argv.slice(1), surroundings);
  const voice = new Voice(surroundings, {
    json: argv.includes('--json'),
    quiet: argv.includes('--quiet') || argv.includes('-q'),
  });
  const progress: Progress = { scope: null, acting: false };
  try {
    const options = parseOptions(argv, surroundings.env);
    if (!options.help) return voice.end(await run(options, surroundings, voice, progress));
    stdout.write(HELP);
    return 0;
  } catch (error) {
    return voice.end(failure(error, progress));
  }
}

interface Progress {
  scope: Source['scope'] | null;
  acting: boolean;
}

function failure(error: unknown, { scope, acting }: Progress): Ending {
  const base = { scope, serving: null };
  if (error instanceof Refused) {
    return { ...base, code: error.code, message: error.message, hint: error.hint, traffic: 'unchanged', next: error.next };
  }
  const message = error instanceof Error ? error.message : String(error);
  const traffic = acting ? 'unknown' : 'unchanged';
  // A failed call of the operating system: too many open files, a failing disk.
  if (error instanceof Error && 'syscall' in error) {
    const hint =
      'Fix what the operating system reports and run this again, or make the changes by hand, with the commands above.';
    return { ...base, code: acting ? 'STUCK' : 'SYSTEM_ERROR', message, hint, traffic, next: [] };
  }
  const hint = 'This is a bug in kvdeploy. Make the changes by hand, with the commands above.';
  return { ...base, code: 'BUG', message, hint, traffic, next: [] };
}

async function run(options: Options, surroundings: Surroundings, voice: Voice, progress: Progress): Promise<Ending> {
  const { outside, env } = surroundings;
  const reason = options.rehearse && options.reason === undefined ? REASON_TO_SAY : checkedReason(options.reason);
  for (const { file, why } of readMachine(env, outside.fs).broken)
    voice.warn(`The machine file ${file} does not count: ${why}. Continuing without it.`);
  const { places, ...looked } = lookAround(options, surroundings);
  const full = `${surroundings.program}${stateOption(options)} --reason ${shellWord(reason)}`;
  const toOption = options.to === undefined ? '' : ` --to ${shellWord(options.to)}`;
  const markOption = options.mark === undefined ? '' : ` --${options.mark}`;
  const source = chooseSource(places, {
    ...options,
    ...looked,
    program: full,
    stateless: `${surroundings.program} --reason ${shellWord(reason)}`,
    hasHome: surroundings.roots.home !== undefined,
    strangerHint: (stranger, command) => strangerHint(stranger, `${command}${toOption}${markOption}`, outside.fs),
  });
  progress.scope = source.scope;
  const commandFor = (guid: string) => `${full} ${scopeOptions(source.scope)} --to ${guid}`;
  const chosen = chooseBuild([source.newest, ...source.pointers.slice(1)], options.to, foreignBuilds(places, source), commandFor);
  const choice = withoutStrangeAddresses(source, chosen);
  for (const name of options.ignored)
    voice.warn(`${name} is ignored: break-glass reads no config, and only the environment's name confirms.`);
  if (options.rehearse) voice.say('REHEARSAL: nothing is written, prompted or changed.');
  const brief = options.rehearse && options.json;
  showPlan({ source, choice, hold: readHold(source.dirs, outside.fs), commandFor, nowMs: Date.now(), brief }, voice);
  refuseStrangeChanges(source, choice, env, outside.fs, voice);
  const otherCommands = choice.others.map(({ restore }) => commandFor(restore.build.guid));
  const hosts = choice.pointer.target.hosts ?? {};
  const reaching = { ...outside, elsewhere: elsewhereBy(hosts, source.scope, 'rescue') };
  const decided = { source, choice, environments: otherEnvironments(places, source), otherCommands };
  if (options.rehearse) return rehearse(decided, performance.now(), { outside: reaching, voice });
  const mayAsk = !options.noInput && !options.json && (env.CI ?? '') === '';
  await confirm(source.scope.environment, options.confirm, mayAsk, surroundings);
  progress.acting = true;
  const reconcile = `kvdeploy reconcile ${scopeOptions(source.scope)}${stateOption(options)} --reason "…"`;
  return act(
    { ...decided, reason, mark: options.mark, next: [reconcile, ...otherCommands] },
    { ...surroundings, outside: reaching },
    voice,
  );
}

type Decided = Omit<Rescuing, 'id' | 'actor' | 'claims' | 'host' | 'pid'>;

async function act(decided: Decided, { outside, machine, roots, env }: Surroundings, voice: Voice): Promise<Ending> {
  const id = randomBytes(6).toString('hex');
  const stay = () => voice.warn('Finishing the changes already begun; this takes only seconds.');
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, stay);
  try {
    const { host, pid } = machine.self();
    const actor = actorOf(outside.fs);
    return await rescue(
      { ...decided, id, actor, claims: claimsOf((name) => env[name], actor), host, pid },
      { outside, machine, voice, roots },
    );
  } finally {
    for (const signal of signals) process.off(signal, stay);
  }
}

function stateOption({ stateDir }: Options): string {
  return stateDir === undefined ? '' : ` --state-dir ${shellWord(stateDir)}`;
}

function lookAround(options: Options, surroundings: Surroundings) {
  const { outside, env, roots, ownDir } = surroundings;
  const own = ownDir !== undefined && holdsPointers(ownDir, outside) ? ownDir : undefined;
  const ownRoot = own === undefined ? undefined : rootOf(own);
  const [option, variable] = [options.stateDir, env.KVDEPLOY_STATE_DIR].map((dir) => (dir ? absolute(dir) : undefined));
  const named = option !== undefined && ownRoot !== undefined && isSame(option, ownRoot, outside) ? ownRoot : option;
  const preferred = [named, ownRoot, variable].filter((dir) => dir !== undefined);
  const searched = [...new Set([...preferred, ...knownPlaces(outside.fs, roots)])];
  return { places: findPlaces(searched, own, outside.fs), preferred, searched, named };
}

/** Two spellings of one folder: with a link, or a slash at the end. */
function isSame(one: string, other: string, { fs }: Outside): boolean {
  try {
    return fs.realpathSync(one) === fs.realpathSync(other);
  } catch {
    return false;
  }
}

function absolute(dir: string): string {
  try {
    return isAbsolute(dir) ? dir : resolve(dir);
  } catch {
    throw new Refused('USAGE', `${dir} is relative to a folder that no longer exists.`, 'Give an absolute path: --state-dir /…');
  }
}

function holdsPointers(dir: string, { fs }: Outside): boolean {
  try {
    return fs.readdirSync(dir).some((name) => /^ptr\.\d{12}$/.test(name));
  } catch {
    return false;
  }
}

/** The forced command of a key: for every scope that the machine file lists, or for the one that it names. */
function at([only, ...more]: readonly string[], surroundings: Surroundings): Promise<number> | number {
  const { outside, roots, stderr } = surroundings;
  if (more.length > 0 || (only !== undefined && !/^[^/]+(?:\/[^/]+){2}$/.test(only))) {
    stderr.write('break-glass.mjs at takes nothing but the scope that its key is for: at tenant/environment/service\n');
    return 2;
  }
  // Wherever a hold of the scope could lie: a folder that cannot be looked into counts as held.
  const holdDirs = (scope: Source['scope']) => knownPlaces(outside.fs, roots).map((root) => pointerDir(root, scope));
  return serveAt({ ...surroundings, only, holdDirs });
}

function foreignBuilds(places: readonly Place[], source: Source): Map<string, string> {
  const others = places.filter(({ scope }) => canonical(scope) !== canonical(source.scope)).flatMap(({ read }) => read.all);
  const builds = others.flatMap(({ scope, knownGood, earlier }) =>
    [knownGood, ...earlier].map(({ build }) => ({ scope, build })),
  );
  return new Map(builds.map(({ scope, build }) => [build.guid, `${scope.tenant}/${scope.environment}/${scope.service}`]));
}

/** The environments of this tenant's other scopes: a target that is one of them is not this one. */
function otherEnvironments(places: readonly Place[], { scope }: Source): readonly string[] {
  const own = places.filter((place) => place.scope.tenant === scope.tenant).map((place) => place.scope.environment);
  return [...new Set(own)].filter((name) => name !== scope.environment);
}

function isMainProgram(): boolean {
  try {
    return realpathSync(process.argv[1] ?? '') === realpathSync(fileURLToPath(import.meta.url));
  } catch {
    return false;
  }
}

if (isMainProgram()) {
  const exitCode = await breakGlass(process.argv.slice(2));
  // A hanging name lookup must not delay the exit.
  await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((done) => stream.write('', done))));
  process.exit(exitCode);
}
