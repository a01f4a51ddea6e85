/**
 * The known-good pointer: renders the changes that restore each build, and makes the generation durable, first in the state directory, then
 * in each copy, together with the rescue program.
 */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import type { Change } from '../base/changes/change.ts';
import type { IdentityCheck } from '../base/changes/identity.ts';
import type { Modes } from '../base/durable/durable-file.ts';
import { look } from '../base/durable/open-file.ts';
import type { Reserve } from '../base/durable/reserve.ts';
import { openStateDir } from '../base/durable/state-dir.ts';
import { hostsOfPointer } from '../base/pointer/host-names.ts';
import { copyPointer, placeRescue, pointerDir, readPointers, scopeDir, writePointer } from '../base/pointer/pointer.ts';
import { encodePointer, MAX_MEMBERS, type Pointer, type Restore } from '../base/pointer/pointer-format.ts';
import type { Scope } from '../base/scope.ts';
import type { AdmittedBuild } from '../core/admission/admitted.ts';
import { wordFor } from '../core/admission/named.ts';
import { isOf } from '../core/identity.ts';
import { type History, type KnownGood, recordedBuild, rollbackTargets } from '../core/ledger/history.ts';
import { keptPlaces } from '../core/ledger/kept-places.ts';
import { movedGood, rehomed } from '../core/ledger/rehomed.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { Plan } from '../core/rollout/plan.ts';
import type { Split } from '../core/rollout/split.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import { stateError } from '../stores/state-error.ts';
import { environmentWhere } from './asking/questions.ts';
import type { Target } from './target.ts';

export interface PointerPlaces {
  readonly scope: Scope;
  readonly stateDir: string;
  readonly copies: readonly string[];
  readonly modes: Modes;
  /** Every environment that is known: a target that names another one of them is another target. */
  readonly environments: readonly string[];
}

/** The pointer's own directory first, then each copy. */
export function pointerDirsOf({ scope, stateDir, copies }: Pick<PointerPlaces, 'scope' | 'stateDir' | 'copies'>): string[] {
  return [stateDir, ...copies].map((root) => pointerDir(root, scope));
}

/** A generation that is durable, and the copies that failed. */
export interface Published {
  readonly generation: number;
  readonly warnings: readonly string[];
}

/** What the ledger, and a takeover, may need until traffic is back: the evidence of a last poll is the most of it. */
const LEDGER_RESERVE_BYTES = 256 * 1024;

const FILE_RESERVE_BYTES = 64 * 1024;

/** Where a leader of this scope puts space by for its ledger. */
export function ledgerReserve({ stateDir, scope }: Pick<PointerPlaces, 'stateDir' | 'scope'>): Reserve {
  return { file: join(scopeDir(stateDir, scope), 'ledger', 'reserve'), bytes: LEDGER_RESERVE_BYTES };
}

/** What these changes need on disk to be made, next to each file that they write. */
export function reservesOf(changes: readonly Change[], { fs }: Io): readonly Reserve[] {
  return changes.flatMap((change) => {
    const path = change.kind === 'write-file' ? change.path : change.kind === 'socket' ? change.saveTo : undefined;
    if (path === undefined) return [];
    const size = look(path, fs, 'statSync')?.size ?? 0;
    return [{ file: `${path}.reserve`, bytes: 2 * size + FILE_RESERVE_BYTES }];
  });
}

/**
 * Why break-glass would not find the stable build of this plan in the state directory, or would not restore every member that the target has
 * now; undefined where it would. What a location that cannot be read has is not known, and no reason to write less than there is.
 */
export function pathProblem(
  plan: Plan,
  seen: Pick<Rendering, 'history' | 'reading'>,
  doors: { readonly places: PointerPlaces; readonly target: Target; readonly io: Io },
): string | undefined {
  const { scope, stateDir } = doors.places;
  const { newest } = readPointers(pointerDir(stateDir, scope), doors.io.fs, scope);
  if (newest?.knownGood.build.guid !== plan.stable?.guid || newest === null)
    return `no pointer in ${stateDir} led to the stable build`;
  if (seen.reading.unseen !== undefined) return undefined;
  const { changes, identity } = rolloutDraft({ why: 'before-rollout' }, plan, { ...seen, ledgerHead: '' }, doors).knownGood;
  const isSame = isDeepStrictEqual({ changes, identity }, plain(newest.knownGood));
  return isSame ? undefined : 'the members of the target have changed since the pointer was written';
}

const plain = ({ changes, identity }: Restore) => ({ changes, identity });

/** What a generation names: before its first shift the build that the ledger has as known-good; at its end an admitted one, and no other. */
type Naming =
  | { readonly why: 'before-rollout' | 'before-rollback' }
  | { readonly why: 'adopted' | 'promoted' | 'rolled-back'; readonly build: AdmittedBuild };

/** The generation that a rollout writes next. */
export function draftRollout(...asked: Parameters<typeof rolloutDraft>): Promise<PointerDraft> {
  const [, , , { places, io }] = asked;
  return completed(places, rolloutDraft(...asked), io);
}

/** The same without what host names resolve to. */
function rolloutDraft(
  naming: Naming,
  plan: Plan,
  seen: Pick<Rendering, 'history' | 'reading' | 'ledgerHead'>,
  { places, target, io }: { readonly places: PointerPlaces; readonly target: Target; readonly io: Io },
): PointerDraft {
  const atIso = new Date(io.now()).toISOString();
  const { why } = naming;
  const { history } = seen;
  const knownGood =
    'build' in naming && plan.converges !== true
      ? { build: naming.build, since: atIso, rollout: plan.id }
      : recordedBuild(history, plan, why === 'before-rollout' ? plan.stable : plan.candidate);
  const { scope, environments } = places;
  const rendering = { ...seen, scope, environments, target, knownGood, why, plan, atIso };
  return renderPointer(rendering);
}

/** The newest generation, but naming the target of a rollback, with the changes that were rendered for it earlier: for a router that cannot be read. */
export function redirected(plan: Plan, ledgerHead: string, { places, io }: { places: PointerPlaces; io: Io }): PointerDraft {
  const { newest, all } = readPointers(pointerDirsOf(places)[0] ?? '', io.fs, places.scope);
  const restores = all.flatMap(({ knownGood, earlier }) => [knownGood, ...earlier]);
  const knownGood = restores.find(({ build }) => build.guid === plan.candidate.guid);
  if (newest === null || knownGood === undefined) throw new Error('the router cannot be read, and no generation has this build');
  const others = newest.earlier.filter(
    ({ build }) => ![plan.candidate.guid, plan.stable?.guid].some((guid) => guid === build.guid),
  );
  const writtenAt = new Date(io.now()).toISOString();
  return { ...newest, why: 'before-rollback', writtenAt, rollout: plan.id, ledgerHead, knownGood, earlier: others };
}

/**
 * Keeps what each host name resolves to now. What cannot be seen now (no name resolves, there is no config that knows the environments)
 * is taken from the generation before.
 */
export async function completed(places: PointerPlaces, drafted: PointerDraft, io: Io): Promise<PointerDraft> {
  const before = readPointers(pointerDirsOf(places)[0] ?? '', io.fs, places.scope).newest;
  const known = before === null || places.environments.length > 0 ? drafted.target.others : before.target.others;
  const draft = { ...drafted, target: { ...drafted.target, others: known } };
  const hosts = hostsOfPointer(draft);
  if (hosts.length === 0) return draft;
  const found = await Promise.all(
    hosts.map(async (host) => {
      const addresses = await io.resolve(host, RESOLVE_MS).catch(() => before?.addresses[host] ?? []);
      return [host, [...new Set(addresses)].sort().slice(0, addressesFor(hosts))] as const;
    }),
  );
  return { ...draft, addresses: Object.fromEntries(found.filter(([, addresses]) => addresses.length > 0)) };
}

/** Why a pointer that this rollout writes does not fit into its file, or undefined: known before anything moves. Pure, as the router's renderers. */
export function pointerTooLarge(
  plan: Plan,
  seen: Pick<Rendering, 'history' | 'reading' | 'target' | 'environments'>,
): string | undefined {
  const builds = [plan.stable, plan.candidate].filter((build) => build !== null);
  for (const build of builds) {
    const knownGood = { ...recordedBuild(seen.history, plan, build), since: SOME_TIME };
    const draft = { scope: plan.scope, knownGood, plan, ledgerHead: '0'.repeat(64), atIso: SOME_TIME };
    const why = draftTooLarge(renderPointer({ ...seen, ...draft, why: 'promoted' }), seen.reading);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** The same of one generation. */
export function draftTooLarge(draft: PointerDraft, { locations }: Reading): string | undefined {
  const members = locations.reduce((sum, one) => sum + one.members.length, 0);
  const size = `the target has ${members} members at ${locations.length} location${locations.length === 1 ? '' : 's'}, ${1 + draft.earlier.length} builds to restore`;
  const { identity, checks } = draft.knownGood;
  const rows = checks.flatMap((one) => (one.kind === 'table' ? (one.groups ?? []).map(({ keys }) => keys.length) : []));
  const most = Math.max(identity.length, ...rows);
  if (most > MAX_MEMBERS) return `it restores at most ${MAX_MEMBERS} members alike, and this would be ${most} (${size})`;
  try {
    // Earlier builds are left out where there is no room for them; what the names resolve to is not known before it is written.
    const hosts = hostsOfPointer({ ...draft, earlier: [] });
    const addresses = Object.fromEntries(hosts.map((host) => [host, new Array(addressesFor(hosts)).fill(LONGEST_ADDRESS)]));
    encodePointer({ ...draft, earlier: [], generation: 1, addresses });
    return undefined;
  } catch (error) {
    return `${error instanceof Error ? error.message : String(error)} (${size})`;
  }
}

/** Writes one generation everywhere. The state directory decides; a copy that fails is a loud warning. */
export function publishPointer(places: PointerPlaces, draft: PointerDraft, io: Io): Published {
  try {
    return publish(places, draft, io);
  } catch (cause) {
    throw stateError('STATE_UNWRITABLE', `The known-good pointer of ${scopeText(places.scope)} could not be written`, cause);
  }
}

function publish(places: PointerPlaces, draft: PointerDraft, io: Io): Published {
  const { scope, stateDir, copies, modes } = places;
  const dir = makePointerDir(stateDir, scope, modes, io);
  const warnings: string[] = [];
  const copyDirs = copies.flatMap((copy) => {
    try {
      return [makePointerDir(copy, scope, modes, io)];
    } catch (error) {
      warnings.push(copyWarning(copy, error));
      return [];
    }
  });
  const generation = writePointer(dir, draft, io.fs, modes, copyDirs);
  for (const copyDir of copyDirs) {
    try {
      copyPointer(copyDir, { ...draft, generation }, io.fs, modes);
    } catch (error) {
      warnings.push(copyWarning(copyDir, error));
    }
  }
  // Read as break-glass would read it: what cannot be read again was not written.
  const { newest } = readPointers(dir, io.fs, scope);
  if (newest?.generation !== generation)
    throw new Error(`generation ${generation} was written to ${dir}, but is not the newest when read back`);
  const omitted = draft.earlier.slice(newest.earlier.length).map(({ build }) => `${build.guid} (version ${build.version})`);
  if (omitted.length > 0)
    warnings.push(`THE POINTER IS FULL: break-glass cannot roll back to ${omitted.join(', ')}; kvdeploy rollback --to still can`);
  return { generation, warnings };
}

function copyWarning(dir: string, error: unknown): string {
  return `THE COPY of the known-good pointer in ${dir} was not written: ${error instanceof Error ? error.message : String(error)}`;
}

/**
 * Makes the scope's pointer directory in the state directory or in a copy, durable, with the right modes and the rescue program. This
 * comes before any generation is written: an older program next to a newer format would roll back to an older generation.
 */
function makePointerDir(root: string, scope: Scope, modes: Modes, { fs }: Io): string {
  const dir = openStateDir(root, [scope.tenant, scope.environment, scope.service, 'pointer'], fs, modes);
  placeRescue(dir, rescueSource(), fs, modes);
  return dir;
}

/** The rescue program that is put next to every pointer. */
export function rescueSource(): string {
  return fileURLToPath(new URL('./break-glass.mjs', import.meta.url));
}

export type PointerDraft = Omit<Pointer, 'generation'>;

/** Every time takes as much room as this one. */
const SOME_TIME = '2026-01-01T00:00:00.000Z';

const EARLIER_MAX = 5;

const RESOLVE_MS = 2000;

/** Many members with a name each have few addresses. */
const addressesFor = (hosts: readonly string[]) => (hosts.length > 100 ? 2 : 8);

const LONGEST_ADDRESS = '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff';

export interface Rendering {
  readonly scope: Scope;
  readonly target: Target;
  readonly environments: readonly string[];
  readonly reading: Reading;
  readonly history: History;
  readonly knownGood: KnownGood;
  readonly why: Pointer['why'];
  /** Of the rollout that writes it; null while none is under way. */
  readonly plan: Plan | null;
  /** Hash of the ledger's last line: the pointer's anchor in the ledger. */
  readonly ledgerHead: string;
  readonly atIso: string;
}

/** The pointer to write; pure but for the router's own pure renderers. */
export function renderPointer(given: Rendering): PointerDraft {
  const { scope, environments, target, why, plan, ledgerHead, atIso } = given;
  const history = rehomed(given.history, target.homeOf);
  const knownGood = movedGood(given.knownGood, target.homeOf);
  const rendering = { ...given, history, knownGood };
  const left = why === 'rolled-back' && plan?.stable && plan.marksNothing !== true ? [plan.stable.guid] : [];
  const bad = new Set<string>([...history.bad.keys(), ...left]);
  return {
    formatVersion: 2,
    scope,
    writtenAt: atIso,
    why,
    rollout: plan?.id ?? null,
    ledgerHead,
    knownGood: renderRestore(rendering, knownGood),
    earlier: earlierBuilds(rendering, bad).map((known) => renderRestore(rendering, known)),
    bad: [...bad],
    idleTimeoutMs: target.idleTimeoutMs,
    target: {
      questions: target.questions,
      others: environments.filter((name) => name !== scope.environment),
      ...(Object.keys(target.hosts).length === 0 ? {} : { hosts: target.hosts }),
    },
    addresses: {},
  };
}

/** Earlier known-good builds that can still be restored: not bad, their place still theirs and still at the target. */
function earlierBuilds({ history, knownGood, reading, plan, why }: Rendering, bad: ReadonlySet<string>): readonly KnownGood[] {
  const left = why === 'before-rollback' ? plan?.stable?.guid : undefined;
  const taken = new Set([knownGood.build.ref]);
  const occupants = new Map([plan?.candidate, plan?.stable].flatMap((build) => (build ? [[build.ref, build.guid]] : [])));
  const possible: KnownGood[] = [];
  for (const known of rollbackTargets(history)) {
    const { guid, ref } = known.build;
    if (guid === knownGood.build.guid || guid === left || bad.has(guid) || taken.has(ref)) continue;
    taken.add(ref);
    if ((occupants.get(ref) ?? guid) !== guid) continue;
    if (reading.places.some((member) => member.place === ref)) possible.push(known);
  }
  return possible.slice(0, EARLIER_MAX);
}

function renderRestore(rendering: Rendering, known: KnownGood): Restore {
  const { build } = known;
  const split = restoringSplit(build, rendering);
  const { guid, digest, version, sequence, ref } = build;
  return {
    build: { guid, digest, version, sequence, ref },
    knownGoodSince: known.since,
    changes: rendering.target.changes(split, 'at-once'),
    checks: rendering.target.checks(split),
    identity: identityChecks(rendering, build),
    ...(known.imported === undefined ? {} : { imported: known.imported }),
  };
}

/** Everything to one build, nothing to every other place of the target that may get traffic. */
export function restoringSplit(
  build: Build,
  { reading, history, plan }: Pick<Rendering, 'reading' | 'history'> & { readonly plan?: Plan | null },
): Split {
  const others = keptPlaces(reading.places, history, plan ?? undefined).filter((place) => place !== build.ref);
  const none = others.map((place) => ({ place, build: null, percent: 0 }));
  return [{ place: build.ref, build: build.guid, percent: 100 }, ...none];
}

/** One for each member of the place that can be asked, with the very question that every rollout asks. */
export function identityChecks(
  { target, reading, scope }: Pick<Rendering, 'target' | 'reading' | 'scope'>,
  build: Build,
): readonly IdentityCheck[] {
  const identity = target.identityOf(build.ref);
  if (identity === null || identity === 'none') return [];
  const is = isOf(identity);
  const equals = wordFor(build, is);
  // A build that was good before the others said their commit: whether it is there is then not known.
  if (equals === undefined) return [];
  const where = environmentWhere(identity);
  const expected = {
    equals,
    ...(is === 'guid' ? {} : ({ exact: true } as const)),
    ...(where === undefined ? {} : { environment: { ...where, equals: scope.environment } }),
  };
  return target.identityQuestions(build.ref, reading).flatMap(({ asked, members, location }) => {
    const at = location === undefined ? {} : { at: location };
    return 'why' in asked ? [] : [{ ...asked, ...expected, members, ...at }];
  });
}

/** Why the restoring changes in force would not lead to `knownGood` on the current target, or null (pointer verify). */
export function staleness(pointer: Pointer, fresh: PointerDraft): string | null {
  if (pointer.knownGood.build.guid !== fresh.knownGood.build.guid) {
    return `it names ${pointer.knownGood.build.guid}, but the ledger names ${fresh.knownGood.build.guid}`;
  }
  // By value: what was read back has its keys in another order than what was rendered just now.
  if (!isDeepStrictEqual(pointer.knownGood.changes, fresh.knownGood.changes)) {
    return 'the stored changes differ from those rendered now: the target or its settings have changed';
  }
  if (!isDeepStrictEqual(questionsIn(pointer), questionsIn(fresh)))
    return 'the stored questions to its members differ from those asked now: its members, or identity in the config, have changed';
  return null;
}

/** Whom break-glass asks, and how. What earlier versions did not write down with it is no difference. */
function questionsIn({ knownGood }: Pick<Pointer, 'knownGood'>): readonly object[] {
  return knownGood.identity.map(({ members: _members, at: _at, environment: _environment, ...asked }) => asked);
}
