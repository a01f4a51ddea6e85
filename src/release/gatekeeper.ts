/** The gatekeeper: has the core judge a build as far as its facts were gathered, and shows what it said. Files are asked first. */
import { type Admission, admit, CHECKS } from '../core/admission/admission.ts';
import type { AdmittedBuild } from '../core/admission/admitted.ts';
import { notForeign } from '../core/admission/build-checks.ts';
import { type Check, type Checked, type Facts, offered } from '../core/admission/facts.ts';
import { KvdeployError, refusalError } from '../core/errors.ts';
import { placeOf } from '../core/manifest/manifest.ts';
import type { State } from '../core/rollout/rollout.ts';
import { type Guid, shortGuid } from '../core/scope.ts';
import { diskFacts, fileFacts, targetFacts } from '../engine/facts.ts';
import type { Target } from '../engine/target.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import { offersIfReadable, readOffers } from './offers.ts';
import type { Opened } from './open.ts';

/** A verdict, and what it was judged on. */
export interface Judged extends Admission {
  readonly facts: Facts;
  /** Null where the files refuse already: the target was not asked. */
  readonly target: Target | null;
  readonly reading: Reading | null;
}

/** Judges by files, then at the target that `open` opens. `place` is where the build should run. Changes nothing. */
export async function judgeBuild(checks: readonly Check[], facts: Facts, place: string, open: () => Target): Promise<Judged> {
  const byFiles = admit(facts, checks);
  if (byFiles.refusal !== undefined) return { ...byFiles, facts, target: null, reading: null };
  const target = open();
  const seen = await targetFacts(facts, target, place);
  return { ...admit(seen.facts, checks), ...seen, target };
}

/** Shows what was judged. Throws the refusal, with `hint` after its own. */
export function mustPass({ checked, refusal, reading }: Judged, deps: Deps, hint = ''): Reading {
  showChecked(checked, deps);
  if (refusal !== undefined) throw refusalError({ ...refusal, hint: `${refusal.hint}${hint}` });
  if (reading === null) throw new Error('what the files do not refuse is judged at the target');
  return reading;
}

/** The build that passed, as its manifest lists it: at the place where it serves. */
export function mustBeAdmitted({ build, facts }: Judged, place: string): AdmittedBuild {
  const listed = offered(facts);
  if (build === null || listed === undefined) throw new Error('a build that nothing refuses is listed and admitted');
  if (build.ref === place) return build;
  throw new KvdeployError('BUILD_GONE', {
    message: `Build ${shortGuid(build.guid)} serves at ${place}, but its manifest says that its place is ${build.ref}.`,
    hint: `Correct the ref in ${listed.file}.`,
    places: [placeOf(listed)],
  });
}

/** One line per check: passed, refused, or not verified. */
export function showChecked(checked: readonly Checked[], deps: Deps): void {
  for (const { name, refusal, notVerified } of checked) {
    const ok = refusal !== undefined ? false : notVerified === undefined ? true : null;
    deps.line({ type: 'check', name, ok, message: refusal?.message ?? notVerified ?? '' });
  }
}

/** What looking could not judge. */
export function unjudged(checked: readonly Checked[]): readonly Check[] {
  return CHECKS.filter(({ name, needs }) => needs === 'write' && !checked.some((check) => check.name === name));
}

/** Judges the files again, as they are once someone has confirmed: minutes may have gone by. Throws what refuses. */
export async function judgeFilesAgain(checks: readonly Check[], guid: Guid, opened: Opened, deps: Deps): Promise<void> {
  const facts = await fileFacts({ ...opened, ...(await readOffers(opened, deps)), guid }, deps.io);
  const { checked, refusal } = admit(facts, checks);
  showChecked(
    checked.filter((check) => check.refusal !== undefined),
    deps,
  );
  if (refusal !== undefined) throw refusalError(refusal);
}

/** Judges what shows only by writing, with a file that is removed again. Only after a confirmation. Throws what refuses. */
export function judgeByWriting(facts: Facts, opened: Opened, deps: Deps): void {
  const { checked, refusal } = admit(diskFacts(facts, opened.stateDir, deps.io), CHECKS);
  showChecked(checked, deps);
  if (refusal !== undefined) throw refusalError(refusal);
}

/** Why an open rollout may not continue: its candidate has become foreign since. Manifests that cannot be read are a warning. */
export async function foreignNow(opened: Opened, open: State, deps: Deps): Promise<string | undefined> {
  const offers = await offersIfReadable(opened, deps);
  if (offers === null) return undefined;
  const facts = await fileFacts({ ...opened, ...offers, guid: open.plan.candidate.guid }, deps.io);
  return admit(facts, [notForeign]).refusal?.message;
}
