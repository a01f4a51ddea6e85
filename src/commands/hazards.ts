/** Gathers what the hazards of a release are judged on. Must not judge, ask the network, or change anything. */
import { readPointers } from '../break-glass/pointer.ts';
import { filesystemOf } from '../break-glass/state-dir.ts';
import type { Looked } from '../core/hazard-sight.ts';
import { type Hazard, hazardsOf, unverified } from '../core/hazards.ts';
import { currentKnownGood } from '../core/history.ts';
import { nearestFolder } from '../engine/facts.ts';
import { restoringSplit } from '../engine/render.ts';
import type { Io } from '../io.ts';
import type { Deps } from './command.ts';
import type { Opened } from './open.ts';
import type { Judged } from './release.ts';

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
