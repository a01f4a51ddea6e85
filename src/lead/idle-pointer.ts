/** Judges a pointer directory: does it verify, does it lead back, does the rescue program lie beside it. Reads only. */
import { join } from 'node:path';
import { RESCUE_FILE, readPointers } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { currentKnownGood, type History, type KnownGood, openRollout } from '../core/ledger/history.ts';
import { scopeText } from '../core/scope.ts';
import { type PointerDraft, type PointerPlaces, renderPointer, rescueSource, staleness } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import type { Io } from '../io.ts';
import type { Deps } from '../release/deps.ts';
import { type Opened, targetOf } from '../release/open.ts';
import { groupOf, modesOf } from '../release/state-dir.ts';
import type { Reading } from '../routers/router.ts';

export interface PointerProblem {
  readonly dir: string;
  readonly why: string;
  readonly damaged: boolean;
}

/** What is wrong with the pointer in `dir`; `fresh` is what would be written now, or null where that cannot be known. */
export function pointerProblems(dir: string, fresh: PointerDraft | null, scope: Scope, io: Io): PointerProblem[] {
  const { newest, damaged } = readPointers(dir, io.fs, scope);
  if (newest === null)
    return [{ dir, why: damaged[0] === undefined ? 'there is none' : `${damaged[0].file}: ${damaged[0].why}`, damaged: true }];
  const stale = fresh === null ? null : staleness(newest, fresh);
  const newer = damaged.filter((entry) => entry.file > `${dir}/ptr.${String(newest.generation).padStart(12, '0')}`);
  return [
    ...(stale === null ? [] : [{ dir, why: stale, damaged: false }]),
    ...newer.map((entry) => ({ dir, why: `a newer generation is damaged: ${entry.file}: ${entry.why}`, damaged: true })),
  ];
}

/** Why the rescue program beside the pointer is not the one that is installed, or undefined. */
export function rescueProblem(dir: string, { fs }: Io): string | undefined {
  const file = join(dir, RESCUE_FILE);
  try {
    if (fs.readFileSync(file).equals(fs.readFileSync(rescueSource()))) return undefined;
    return `${file} is of another version than this kvdeploy`;
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The settings that a pointer is rendered with while no rollout is walking: today's, else those of the ledger's last plan. */
export function idlePlaces(opened: Opened, deps: Deps): PointerPlaces {
  const copies = opened.settings?.copies ?? opened.history.rollout?.plan.copies ?? [];
  return { scope: opened.scope, stateDir: opened.stateDir, copies, modes: modesOf(groupOf(opened.config, deps.io)) };
}

/** The pointer that names `knownGood` while no rollout is walking. */
export function renderIdle(
  opened: Opened,
  now: {
    readonly target: Target;
    readonly reading: Reading;
    readonly history: History;
    readonly knownGood: KnownGood;
    readonly ledgerHead: string;
  },
  why: PointerDraft['why'],
  deps: Deps,
): PointerDraft {
  return renderPointer({
    ...now,
    scope: opened.scope,
    identity: opened.settings?.identity ?? now.history.rollout?.plan.identity ?? null,
    occupants: new Map(),
    bad: [...now.history.bad.keys()],
    why,
    rollout: null,
    atIso: new Date(deps.io.now()).toISOString(),
  });
}

/** The pointer as it would be written now. Throws NO_KNOWN_GOOD, and what the router throws. */
export async function renderNow(opened: Opened, deps: Deps): Promise<PointerDraft> {
  const { history, scope } = opened;
  const known = currentKnownGood(history);
  if (known === null)
    throw new KvdeployError('NO_KNOWN_GOOD', {
      message: `No build was ever known-good in ${scopeText(scope)}.`,
      hint: `kvdeploy adopt ${opened.flags}`,
    });
  const target = targetOf(opened, deps, openRollout(history) === null ? 'config' : 'ledger');
  return renderIdle(
    opened,
    { target, reading: await target.read(), history, knownGood: known, ledgerHead: opened.ledgerHead },
    'rendered-again',
    deps,
  );
}
