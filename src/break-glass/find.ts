/** Finds the pointers of a scope on this machine. Must not mix two states that only share a name, or write anything. */
import { basename, dirname, join } from 'node:path';
import type { Fs } from '../base/durable/fs.ts';
import type { Stranger } from '../base/owners/path-owners.ts';
import { type DamagedPointer, type PointersRead, pointerDir, RESCUE_FILE, readPointers } from '../base/pointer/pointer.ts';
import type { Pointer } from '../base/pointer/pointer-format.ts';
import { NAME, type Scope } from '../base/scope.ts';
import { canonical } from '../base/shape.ts';
import { shellWord } from '../base/text.ts';
import type { Options } from './options.ts';
import { Refused } from './refusal.ts';

/** One folder with a pointer: in a state, in a copy, or next to the running program. */
export interface Place {
  readonly dir: string;
  /** The value of --state-dir for it. */
  readonly root: string;
  readonly scope: Scope;
  readonly read: PointersRead;
}

/** Everything known about one scope. */
export interface Source {
  readonly scope: Scope;
  /** Where the hold is set. */
  readonly dirs: readonly string[];
  /** Newest first; never empty. */
  readonly pointers: readonly Pointer[];
  readonly newest: Pointer;
  /** The folder that the newest one was read from. */
  readonly from: string;
  readonly damaged: readonly DamagedPointer[];
  readonly warnings: readonly string[];
  /** Everyone besides root and this user who could have written what is used here. */
  readonly others: readonly string[];
}

/** The scope and state that the command line selects. */
export interface Wanted extends Pick<Options, 'environment' | 'tenant' | 'service'> {
  /** Roots that take precedence: the option, then the program's own folder, then the environment variable. */
  readonly preferred: readonly string[];
  /** The root that `--state-dir` names: what lies elsewhere cannot make it ambiguous. */
  readonly named?: string | undefined;
  /** The command so far, to be completed with options and pasted. */
  readonly program: string;
  /** The same without a state directory. */
  readonly stateless: string;
  /** Every root that was searched. */
  readonly searched: readonly string[];
  /** False if there is no home folder, which would be searched too. */
  readonly hasHome: boolean;
  /** What to do about a folder that is not believed, so that `command` works. */
  readonly strangerHint: (stranger: Stranger, command: string) => string;
}

/** Every pointer folder below `roots`, and `ownDir` if it is one itself. Never throws. */
export function findPlaces(roots: readonly string[], ownDir: string | undefined, fs: Fs): Place[] {
  const places = new Map<string, Place>();
  const add = (dir: string, root: string, scope: Scope | undefined) => {
    const real = realPath(dir, fs);
    if (real === undefined || places.has(real)) return;
    const read = readPointers(dir, fs, scope);
    const itsScope = scope ?? read.newest?.scope;
    if (itsScope !== undefined && (read.all.length > 0 || read.damaged.length > 0))
      places.set(real, { dir, root, scope: itsScope, read });
  };
  if (ownDir !== undefined) add(ownDir, rootOf(ownDir), scopeOfPath(ownDir));
  for (const root of roots) {
    for (const scope of scopesBelow(root, fs)) add(pointerDir(root, scope), root, scope);
  }
  return [...places.values()];
}

function realPath(dir: string, fs: Fs): string | undefined {
  try {
    return fs.realpathSync(dir);
  } catch {
    return undefined;
  }
}

/** `<root>/<tenant>/<environment>/<service>/pointer` */
export function rootOf(dir: string): string {
  return scopeOfPath(dir) === undefined ? dir : dirname(dirname(dirname(dirname(dir))));
}

function scopeOfPath(dir: string): Scope | undefined {
  const service = dirname(dir);
  const environment = dirname(service);
  const scope = { tenant: basename(dirname(environment)), environment: basename(environment), service: basename(service) };
  return basename(dir) === 'pointer' && Object.values(scope).every((name) => NAME.test(name)) ? scope : undefined;
}

function scopesBelow(root: string, fs: Fs): Scope[] {
  return names(root, fs).flatMap((tenant) =>
    names(join(root, tenant), fs).flatMap((environment) =>
      names(join(root, tenant, environment), fs).map((service) => ({ tenant, environment, service })),
    ),
  );
}

function names(dir: string, fs: Fs): string[] {
  try {
    return fs.readdirSync(dir).filter((name) => NAME.test(name));
  } catch {
    return [];
  }
}

/** The one scope and state that match. If there are several, throws Refused with a complete command for each. */
export function chooseSource(places: readonly Place[], wanted: Wanted): Source {
  const fits = (given: string | undefined, name: string) => given === undefined || given === name;
  const matching = places.filter(
    ({ scope }) =>
      fits(wanted.environment, scope.environment) && fits(wanted.tenant, scope.tenant) && fits(wanted.service, scope.service),
  );
  const there = matching.filter(({ root }) => wanted.named === undefined || root === wanted.named);
  const scopes = [...new Map(there.map(({ scope }) => [canonical(scope), scope])).values()];
  if (wanted.environment === undefined) {
    const message = 'No environment was given, and there is no default.';
    throw new Refused('USAGE', message, 'Give one: --env production', commands(scopes, wanted));
  }
  if (scopes.length > 1) {
    const message = `${scopes.length} services match.`;
    throw new Refused('SCOPE_UNCLEAR', message, 'Run one of the commands below.', commands(scopes, wanted));
  }
  const [scope] = scopes;
  if (scope === undefined) throw matching.length === 0 ? nothingFound(places, wanted) : elsewhere(matching, wanted);
  const ofScope = matching.filter((place) => canonical(place.scope) === canonical(scope));
  return sourceOf(scope, oneState(ofScope, scope, wanted), wanted);
}

function commands(scopes: readonly Scope[], wanted: Wanted): string[] {
  return scopes.map((scope) => `${wanted.program} ${scopeOptions(scope)}`);
}

/** The options that name a scope. */
export function scopeOptions({ tenant, environment, service }: Scope): string {
  return `--env ${environment} --tenant ${tenant} --service ${service}`;
}

function nothingFound(places: readonly Place[], wanted: Wanted): Refused {
  const known = [...new Set(places.map(({ scope }) => scope.environment))];
  const hint = 'give the state directory or a copy of it: --state-dir DIR';
  if (known.length === 0) {
    const where = `${wanted.searched.join(', ')}${wanted.hasHome ? '' : '; there is no home folder'}`;
    return new Refused('NO_STATE', `No known-good pointer was found on this machine (in ${where}).`, `G${hint.slice(1)}`);
  }
  if (!known.includes(wanted.environment ?? '')) {
    const message = `There is no pointer for environment ${JSON.stringify(wanted.environment)} here. Known: ${known.join(', ')}.`;
    return new Refused('UNKNOWN_NAME', message, `Check --env, or ${hint}`);
  }
  const scopes = places.filter(({ scope }) => scope.environment === wanted.environment).map(({ scope }) => scope);
  const message = 'There is no pointer here for that tenant and service.';
  return new Refused('UNKNOWN_NAME', message, 'Run one of the commands below.', commands(scopes, wanted));
}

/** The state directory that was named has no such pointer, and others have: a person chooses among them. */
function elsewhere(places: readonly Place[], wanted: Wanted): Refused {
  const next = places.map(({ scope, root }) => inState(scope, root, wanted));
  const message = `There is no such pointer in ${wanted.named}.`;
  return new Refused('UNKNOWN_NAME', message, 'Check --state-dir, or run one of the commands below.', [...new Set(next)]);
}

function inState(scope: Scope, root: string, { stateless }: Wanted): string {
  return `${stateless} ${scopeOptions(scope)} --state-dir ${shellWord(root)}`;
}

/** Copies of one state contain equal generations; two states that only share names do not, and are never mixed. */
function oneState(places: readonly Place[], scope: Scope, wanted: Wanted): readonly Place[] {
  // What cannot be read may be of this state, or of any other one.
  const silent = places.filter(({ read, root }) => read.newest === null && (wanted.named ?? root) === root);
  const states = groupByHistory(places.filter(({ read }) => read.newest !== null));
  if (wanted.named !== undefined && silent.some(({ read }) => read.stranger !== undefined))
    throw notReadable(silent, scope, wanted);
  for (const root of wanted.preferred) {
    const state = states.find((members) => members.some((place) => place.root === root));
    if (state !== undefined) return [...state, ...silent];
  }
  if (states.length > 1) {
    const next = states.map(([place]) => inState(scope, place?.root ?? '', wanted));
    const [damaged] = silent.flatMap(({ read }) => read.damaged);
    if (wanted.named !== undefined && damaged !== undefined)
      throw new Refused(
        'POINTER_DAMAGED',
        `The pointer in ${wanted.named} is damaged: ${damaged.file}: ${damaged.why}.`,
        'If one of the states below is a copy of it, use that one.',
        next,
      );
    const message = `${states.length} unrelated state directories on this machine contain this service.`;
    throw new Refused('SCOPE_UNCLEAR', message, 'Choose one: run one of the commands below.', next);
  }
  const [state] = states;
  if (state !== undefined) return [...state, ...silent];
  throw notReadable(silent, scope, wanted);
}

/** Nothing can be read: because it is not believed, with the line that works, or because it is damaged. */
function notReadable(silent: readonly Place[], scope: Scope, { program, strangerHint }: Wanted): Refused {
  const strange = silent.find(({ read }) => read.stranger !== undefined);
  if (strange?.read.stranger !== undefined) {
    const { stranger } = strange.read;
    const command = `${rescueIn(strange.dir)}${program.slice(program.indexOf(' --reason'))} ${scopeOptions(scope)}`;
    const message = `The pointer in ${strange.dir} is not believed: ${stranger.at}: ${stranger.why}.`;
    return new Refused('STATE_UNSAFE', message, strangerHint(stranger, command));
  }
  const [damaged] = silent.flatMap(({ read }) => read.damaged);
  return new Refused(
    'POINTER_DAMAGED',
    `Every generation of the pointer is damaged: ${damaged?.file}: ${damaged?.why}.`,
    'Use a copy with --state-dir DIR, or restore the pointer with kvdeploy pointer import.',
  );
}

/** The command that runs the program next to a pointer. */
function rescueIn(dir: string): string {
  return `node ${shellWord(join(dir, RESCUE_FILE))}`;
}

function groupByHistory(places: readonly Place[]): Place[][] {
  let states: { keys: Set<string>; places: Place[] }[] = [];
  for (const place of places) {
    const keys = new Set(place.read.all.map((pointer) => canonical(pointer)));
    const related = states.filter((state) => [...keys].some((key) => state.keys.has(key)));
    const merged = { keys, places: [...related.flatMap((state) => state.places), place] };
    for (const state of related) for (const key of state.keys) keys.add(key);
    states = [...states.filter((state) => !related.includes(state)), merged];
  }
  return states.map((state) => state.places);
}

/** What others could have written counts only where there is nothing else; what is not used is named. */
function sourceOf(scope: Scope, places: readonly Place[], wanted: Wanted): Source {
  const readable = places.filter(({ read }) => read.newest !== null);
  const ours = readable.filter(({ read }) => read.others.length === 0);
  const used = ours.length > 0 ? ours : readable;
  const unique = new Map(used.flatMap(({ read }) => read.all).map((pointer) => [canonical(pointer), pointer]));
  const pointers = [...unique.values()].sort((a, b) => b.generation - a.generation || (a.writtenAt < b.writtenAt ? 1 : -1));
  const newest = pointers[0] as Pointer;
  const from = used.find(({ read }) => read.all.some((pointer) => canonical(pointer) === canonical(newest)));
  return {
    scope,
    dirs: places.filter(({ read }) => read.stranger === undefined).map(({ dir }) => dir),
    pointers,
    newest,
    from: from?.dir ?? '',
    damaged: places.flatMap(({ read }) => read.damaged),
    warnings: [...laterTime(newest, pointers), ...newerElsewhere(newest, from, used, wanted), ...unused(newest, readable, used)],
    others: [...new Set(used.flatMap(({ read }) => read.others))],
  };
}

function laterTime(newest: Pointer, pointers: readonly Pointer[]): string[] {
  const later = pointers.find((pointer) => Date.parse(pointer.writtenAt) > Date.parse(newest.writtenAt));
  if (later === undefined) return [];
  return [`Generation ${newest.generation} is used, but generation ${later.generation} has a later timestamp. Compare them.`];
}

/** The newest generation stands in a copy, and not in the directory that was named. */
function newerElsewhere(newest: Pointer, from: Place | undefined, used: readonly Place[], { preferred }: Wanted): string[] {
  const named = preferred.map((root) => used.find((place) => place.root === root)).find((place) => place !== undefined);
  const there = named?.read.newest;
  if (!there || from === undefined || canonical(there) === canonical(newest) || there.generation > newest.generation) return [];
  if (named?.read.all.some((pointer) => canonical(pointer) === canonical(newest))) return [];
  const other = `generation ${newest.generation} in ${from.dir}`;
  return [`${other} is used: it is newer than generation ${there.generation} in ${named?.dir}, which was named. Compare them.`];
}

/** Newer generations that others could have written, while there are some that they could not. */
function unused(newest: Pointer, readable: readonly Place[], used: readonly Place[]): string[] {
  const shared = readable.filter((place) => !used.includes(place) && (place.read.newest?.generation ?? 0) > newest.generation);
  return shared.map(
    ({ dir, read }) =>
      `Generation ${read.newest?.generation} in ${dir} is newer and is not used: ${read.others.join(', ')} can write there.`,
  );
}
