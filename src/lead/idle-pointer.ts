/** The pointer while no rollout is walking: what it would be now, and what is wrong with the one that is there. Reads only. */
import { join } from 'node:path';
import { fileStranger, judgeFolder } from '../base/owners/owner-rule.ts';
import { RESCUE_FILE, readPointers } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import { KvdeployError } from '../core/errors.ts';
import { type KnownGood, openRollout, rescueGoal } from '../core/ledger/history.ts';
import { scopeText } from '../core/scope.ts';
import {
  completed,
  type PointerDraft,
  type PointerPlaces,
  type Published,
  publishPointer,
  type Rendering,
  renderPointer,
  rescueSource,
  staleness,
} from '../engine/pointer-writer.ts';
import type { Io } from '../io.ts';
import type { Deps } from '../release/deps.ts';
import { environmentsOf, type Opened, targetOf } from '../release/open.ts';
import { groupOf, modesOf } from '../release/state-dir.ts';

/** What is wrong with the pointer in `dir`; `fresh` is what could stand there now (`renderings`), or null where that cannot be known. */
export function pointerProblems(dir: string, fresh: readonly PointerDraft[] | null, scope: Scope, io: Io) {
  const { newest, damaged } = readPointers(dir, io.fs, scope);
  if (newest === null)
    return [
      { dir, why: damaged[0] === undefined ? 'there is no pointer' : `${damaged[0].file}: ${damaged[0].why}`, damaged: true },
    ];
  const against = (fresh ?? []).map((draft) => staleness(newest, draft));
  const stale = against.includes(null) ? null : (against[0] ?? null);
  const newer = damaged.filter((entry) => entry.file > `${dir}/ptr.${String(newest.generation).padStart(12, '0')}`);
  return [
    ...(stale === null ? [] : [{ dir, why: stale, damaged: false }]),
    ...newer.map((entry) => ({ dir, why: `a newer generation is damaged: ${entry.file}: ${entry.why}`, damaged: true })),
  ];
}

/** Why the rescue program next to the pointer is not the one that is installed, or undefined. */
export function rescueProblem(dir: string, { fs }: Io): string | undefined {
  const file = join(dir, RESCUE_FILE);
  try {
    const stranger = fileStranger(file, fs.lstatSync(file), judgeFolder(dir, fs), fs);
    if (stranger !== undefined) return `${stranger.at}: ${stranger.why}`;
    if (fs.readFileSync(file).equals(fs.readFileSync(rescueSource()))) return undefined;
    return `${file} has a different version than this kvdeploy`;
  } catch (error) {
    return `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The settings that a pointer is rendered with while no rollout is walking: today's, else those of the ledger's last plan. */
function idlePlaces(opened: Opened, deps: Deps): PointerPlaces {
  const copies = opened.settings?.copies ?? opened.history.rollout?.plan.copies ?? [];
  const modes = modesOf(groupOf(opened.config, deps.io));
  return { scope: opened.scope, stateDir: opened.stateDir, copies, modes, environments: environmentsOf(opened) };
}

/** Writes a generation everywhere while no rollout is walking. */
export async function publishIdle(opened: Opened, draft: PointerDraft, deps: Deps): Promise<Published> {
  const places = idlePlaces(opened, deps);
  return publishPointer(places, await completed(places, draft, deps.io), deps.io);
}

/** The pointer that names `knownGood` while no rollout is walking. */
export function renderIdle(
  opened: Opened,
  seen: Pick<Rendering, 'target' | 'reading' | 'history' | 'knownGood' | 'ledgerHead' | 'why'>,
  { io }: Deps,
): PointerDraft {
  const { scope } = opened;
  const environments = environmentsOf(opened);
  return renderPointer({ ...seen, scope, environments, plan: null, atIso: new Date(io.now()).toISOString() });
}

/**
 * The same, and as it was before the last rollout: one that ended before it wrote a pointer left that of before, which does not name the spare place
 * that it was to use.
 */
export function renderings(...[opened, seen, deps]: Parameters<typeof renderIdle>): readonly [PointerDraft, ...PointerDraft[]] {
  const now = renderIdle(opened, seen, deps);
  if (seen.history.rollout === null) return [now];
  return [now, renderIdle(opened, { ...seen, history: { ...seen.history, rollout: null } }, deps)];
}

/** The build that the pointer must name. Throws NO_KNOWN_GOOD. */
export function mustKnowGood({ history, scope, flags }: Opened): KnownGood {
  const known = rescueGoal(history);
  if (known !== null) return known;
  const message = `No build was ever known-good in ${scopeText(scope)}.`;
  throw new KvdeployError('NO_KNOWN_GOOD', { message, hint: `kvdeploy adopt ${flags}` });
}

/** The pointer as it would be written now, and what may stand there instead. Throws NO_KNOWN_GOOD, and what the router throws. */
export async function renderNow(opened: Opened, deps: Deps): Promise<ReturnType<typeof renderings>> {
  const { history, ledgerHead } = opened;
  const knownGood = mustKnowGood(opened);
  const target = targetOf(opened, deps, openRollout(history) === null ? 'config' : 'ledger');
  const seen = { target, reading: await target.read(), history, knownGood, ledgerHead, why: 'rendered-again' } as const;
  return renderings(opened, seen, deps);
}
