/** What `plan` and `promote` share: from what was typed to a judged build and its plan. Must not change anything. */
import { filesystemOf } from '../base/durable/state-dir.ts';
import { readPointers } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import type { ServiceSettings } from '../config/settings.ts';
import { admit, LOCKS } from '../core/admission/admission.ts';
import { type Checked, type Facts, headline } from '../core/admission/facts.ts';
import type { Hazard, Looked } from '../core/admission/hazard-sight.ts';
import { hazardRefusal, hazardsOf, unverified } from '../core/admission/hazards.ts';
import { KvdeployError, type Refusal, refusalError } from '../core/errors.ts';
import { currentKnownGood } from '../core/ledger/history.ts';
import { buildOfSameSource } from '../core/manifest/requirement.ts';
import { promotionPlan } from '../core/rollout/make-plan.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { type Guid, sameScope, scopeText, shortGuid } from '../core/scope.ts';
import { fileFacts, nearestFolder, targetFacts } from '../engine/facts.ts';
import { lookAtComparison, type SeenGate } from '../engine/look-at-gates.ts';
import { type Measured, measureStable, silentGate } from '../engine/measure.ts';
import { restoringSplit } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import { knownGoodFrom } from './elsewhere.ts';
import { admitByLooking, furtherChecks } from './further-checks.ts';
import { guidOf, type Offers, readOffers } from './offers.ts';
import { type Opened, targetOf } from './open.ts';
import { showTraffic } from './traffic.ts';

/** Which build was asked for. */
export interface Wanted {
  readonly build?: string;
  readonly from?: string;
}

/** A release with every check that was made, and whether it may begin. */
export interface Release extends Judged {
  readonly hazards: readonly Hazard[];
}

/** What the locks and the further checks said. */
export interface Judged {
  readonly checked: readonly Checked[];
  /** Why it may not begin; undefined when it may. */
  readonly refusal: Refusal | undefined;
  /** Null until the build got as far as having a plan. */
  readonly plan: Plan | null;
  readonly target: Target | null;
  readonly reading: Reading | null;
  /** Other scopes that lock 3 could see; none is unverified, not passed. */
  readonly otherScopes: number;
  readonly unseenLedgers: number;
  /** The config and every manifest, as they were read. */
  readonly read: Plan['sources'];
  /** What each gate says of the build that serves now. */
  readonly measured: readonly Measured[];
  /** What each comparing gate sees of it. */
  readonly compared: readonly SeenGate[];
}

/** Judges a release by every lock and check, then by its hazards, of which each must be controlled. Changes nothing. */
export async function judgeRelease(opened: Opened, wanted: Wanted, deps: Deps, confirmation: Confirmation): Promise<Release> {
  const judged = await judgeByLocks(opened, wanted, deps);
  const hazards = lookAtHazards(judged, opened, confirmation, deps);
  return { ...judged, refusal: judged.refusal ?? hazardRefusal(hazards), hazards };
}

/** True for a refusal that stands whatever else is going on. */
export function isForeign(refusal: Refusal | undefined): boolean {
  return refusal?.code === 'FOREIGN_BUILD' || refusal?.code === 'WRONG_SCOPE';
}

/** Files first: a foreign build is refused before the target hears of it. */
async function judgeByLocks(opened: Opened, wanted: Wanted, deps: Deps): Promise<Judged> {
  const settings = mustHave(opened);
  const offers = await readOffers(opened, deps);
  const guid = await wantedGuid(opened, offers, wanted, deps);
  const sources = {
    scope: opened.scope,
    guid,
    listed: offers.listed,
    atPlace: offers.atPlace,
    environments: offers.environments,
    history: opened.history,
    store: opened.store,
    entries: opened.entries,
    ledgerHead: opened.ledgerHead,
    pointerDir: opened.pointerDirs[0] ?? '',
  };
  const { facts, unseen } = await fileFacts(sources, deps.io);
  for (const message of unseen)
    deps.line({ type: 'note', level: 'warning', message: `Lock 3 could not see one ledger: ${message}` });
  const otherScopes = offers.scopes.filter((scope) => !sameScope(scope, opened.scope)).length;
  const byFiles = admit(
    facts,
    LOCKS.filter((lock) => lock.needs === 'files'),
  );
  const refused = headline(byFiles.checked) ?? offers.refusal;
  const listing: Checked = { name: 'the listing holds its own builds only', hazard: 'foreign-build', refusal: offers.refusal };
  const seen = { otherScopes, unseenLedgers: unseen.length, read: offers.read, measured: [], compared: [] };
  if (refused !== undefined)
    return { ...seen, checked: [...byFiles.checked, listing], refusal: refused, plan: null, target: null, reading: null };
  const judged = await judgeAtTarget({ opened, settings, offers }, facts, deps);
  return { ...seen, ...judged, checked: [...judged.checked, listing] };
}

interface AtTarget {
  readonly opened: Opened;
  readonly settings: ServiceSettings;
  readonly offers: Offers;
}

async function judgeAtTarget(
  { opened, settings, offers }: AtTarget,
  fromFiles: Facts,
  deps: Deps,
): Promise<Pick<Judged, 'checked' | 'refusal' | 'plan' | 'target' | 'reading'> & Partial<Judged>> {
  const target = targetOf(opened, deps);
  const listed = offers.listed.find((entry) => entry.build.guid === fromFiles.guid && sameScope(entry.scope, opened.scope));
  showTraffic(deps, target, buildsAtPlaces(opened));
  const { facts, reading } = await targetFacts(fromFiles, target, listed?.build.ref ?? '');
  const { checked, build } = admitByLooking(facts, LOCKS, opened, deps);
  const known = currentKnownGood(opened.history)?.build;
  const admission = headline(checked);
  if (admission !== undefined || build === null || known === undefined)
    return { checked, refusal: admission, plan: null, target, reading };
  const builds = { scope: opened.scope, candidate: build, stable: known };
  const seen = await lookAtComparison(settings.compared, settings.evidence, builds, reading, again(target), deps.io);
  const plan = promotionPlan(
    { ...settings, comparison: seen.comparison, router: settings.router ?? { kind: '' } },
    planning(opened, offers, reading, deps),
    build,
    known,
  );
  const measured = await measureStable(plan, reading, deps.io);
  const silent = silentGate(plan, measured) ?? seen.gates.find((gate) => gate.silent !== undefined)?.silent;
  const further = await furtherChecks(opened, settings, build, silent, target, reading, deps);
  return { checked: [...checked, ...further], refusal: headline(further), plan, target, reading, measured, compared: seen.gates };
}

/** The router once more; null where it does not answer the second time. */
export function again(target: Target): () => Promise<Reading | null> {
  return () => target.read().catch(() => null);
}

/** The settings of the scope; a service without router, identity, steps or gate cannot be promoted (nothing is assumed). */
export function mustHave(opened: Opened): ServiceSettings {
  const { settings } = opened;
  const name = scopeText(opened.scope);
  const hint = `Add it to the service in ${opened.config?.file ?? 'the config'}: kvdeploy schema config`;
  if (settings === null) throw new KvdeployError('UNKNOWN_NAME', { message: `The config has no service ${name}.`, hint });
  if (settings.router === null)
    throw new KvdeployError('NO_ROUTER', { message: `${name} has no router, and none is assumed.`, hint });
  if (settings.identity === null)
    throw new KvdeployError('NO_IDENTITY', {
      message: `${name} does not say how a build tells its GUID (identity), so nobody could know what runs at a place.`,
      hint,
    });
  if (settings.gates.length + settings.compared.length === 0)
    throw new KvdeployError('NO_GATE', { message: `${name} has no gate, so nothing would judge its health.`, hint });
  if (settings.steps.length === 0) throw new KvdeployError('CONFIG_INVALID', { message: `${name} has no steps.`, hint });
  return settings;
}

async function wantedGuid(opened: Opened, offers: Offers, wanted: Wanted, deps: Deps): Promise<Guid> {
  const { scope } = opened;
  const see = `kvdeploy builds ${opened.flags}`;
  if ((wanted.build === undefined) === (wanted.from === undefined)) {
    throw new KvdeployError('USAGE', { message: 'Say which build: either --build GUID or --from ENVIRONMENT.', hint: see });
  }
  if (wanted.build !== undefined)
    return guidOf(
      wanted.build,
      offers.listed.map((entry) => entry.build.guid),
      see,
    );
  const from = await knownGoodFrom(opened, wanted.from ?? '', deps);
  const found = buildOfSameSource(from, scope, offers.listed);
  if ('code' in found) throw refusalError(found);
  deps.line({
    type: 'note',
    level: 'info',
    message: `${from.environment} has ${shortGuid(from.knownGood?.guid ?? '')}; ${scope.environment}'s own build of the same source is ${found.guid}.`,
  });
  return found.guid;
}

/** What a plan keeps about its making. */
export function planning(
  opened: Opened,
  offers: Pick<Offers, 'sources'>,
  reading: Reading,
  deps: Deps,
  reason: string | null = null,
) {
  return {
    id: `r-${deps.io.randomId()}`,
    actor: opened.actor,
    reason,
    sources: offers.sources,
    places: reading.members.map((member) => member.place),
  };
}

/** The build at each place, as far as the ledger knows: the newest word about a place counts. */
export function buildsAtPlaces(opened: Pick<Opened, 'history'>): ReadonlyMap<string, Guid> {
  const builds = new Map<string, Guid>();
  for (const known of [...opened.history.knownGood].reverse()) builds.set(known.build.ref, known.build.guid);
  const plan = opened.history.rollout?.plan;
  if (plan !== undefined)
    for (const build of [plan.stable, plan.candidate]) if (build !== null) builds.set(build.ref, build.guid);
  return builds;
}

/** Scopes in words, for `plan`. */
export function otherScopesText(count: number, scope: Scope): string {
  return count === 0
    ? `no scope beside ${scopeText(scope)} is known, so that no other one has the build is not verified`
    : `${count} other scope${count === 1 ? '' : 's'} looked at`;
}

// Gathers what the hazards of a release are judged on. Must not judge, ask the network, or change anything.

/** How the release is confirmed: `--confirm`, where it was given already. */
export interface Confirmation {
  readonly confirm?: string | undefined;
}

/** Every hazard of this release, from the verdicts and facts that the release was judged on. */
export function lookAtHazards(judged: Judged, opened: Opened, confirmation: Confirmation, deps: Deps): readonly Hazard[] {
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  return hazardsOf({
    ...judged,
    scope: opened.scope,
    filesRead: judged.read.length,
    entries: opened.entries.length,
    leaderSince: opened.history.leader?.since ?? null,
    pointerGeneration: newest?.generation ?? null,
    members: judged.reading?.members ?? null,
    forgetful: judged.reading?.forgetful,
    wayBack: wayBack(judged, opened),
    disk: filesystemOf(nearestFolder(opened.stateDir, deps.io), deps.io.fs),
    copies: (opened.settings?.copies ?? []).map((dir) => ({ dir, elsewhere: onAnotherDisk(dir, opened.stateDir, deps.io) })),
    confirmation: confirmationOf(opened, confirmation, deps),
  });
}

/** Says each hazard that has something not verified; the others are said by `plan`. */
export function warnOfHazards(hazards: readonly Hazard[], deps: Deps): void {
  for (const hazard of hazards) {
    const doubts = unverified(hazard).map(({ control, detail }) => `${control}: ${detail}`);
    if (doubts.length === 0) continue;
    deps.line({ type: 'check', name: `hazard: ${hazard.hazard.replace(/\.$/, '')}`, ok: null, message: doubts.join('; ') });
  }
}

/** The changes that the pointer will hold before the first shift; null where the release did not get as far as a target. */
function wayBack({ target, reading }: Judged, opened: Opened): Looked['wayBack'] {
  const known = currentKnownGood(opened.history)?.build;
  if (target === null || reading === null || known === undefined) return null;
  return target.changes(restoringSplit(known, reading), 'at-once');
}

/** By device number; null where the copy cannot be looked at. */
function onAnotherDisk(copy: string, stateDir: string, io: Io): boolean | null {
  try {
    const deviceOf = (dir: string) => io.fs.statSync(nearestFolder(dir, io)).dev;
    return deviceOf(copy) !== deviceOf(stateDir);
  } catch {
    return null;
  }
}

function confirmationOf(opened: Opened, { confirm }: Confirmation, deps: Deps): Looked['confirmation'] {
  const isProtected = opened.settings?.protected ?? true;
  const wants = isProtected ? `--confirm ${opened.scope.environment}` : '--yes';
  const said = confirm !== undefined || (!isProtected && deps.globals.yes === true);
  return { wants, given: said ? 'flag' : deps.canAsk ? 'terminal' : 'nobody' };
}
