/** Gathers what the hazards of a release are judged on. Must not judge, ask the network, or change anything. */
import { filesystemOf } from '../base/durable/state-dir.ts';
import { hostsOfChanges } from '../base/pointer/host-names.ts';
import { readPointers } from '../base/pointer/pointer.ts';
import type { Facts } from '../core/admission/facts.ts';
import { type Hazard, type Looked, unverified } from '../core/admission/hazard.ts';
import { hazardsOf } from '../core/admission/hazard-list.ts';
import type { Refusal } from '../core/errors.ts';
import { currentKnownGood } from '../core/ledger/history.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { nearestFolder } from '../engine/facts.ts';
import type { SeenGate } from '../engine/look-at-gates.ts';
import type { Measured } from '../engine/measure.ts';
import { restoringSplit } from '../engine/pointer-writer.ts';
import type { Target } from '../engine/target.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import type { Deps } from './deps.ts';
import type { Opened } from './open.ts';

/** What the checks of a release said, and everything that was looked at for them. The plan is null until the build is admitted. */
export interface JudgedRelease extends Pick<Looked, 'checked' | 'plan' | 'otherScopes'> {
  /** Why it may not begin; undefined when it may. */
  readonly refusal: Refusal | undefined;
  readonly facts: Facts;
  readonly target: Target | null;
  readonly reading: Reading | null;
  /** The config and every manifest, as they were read. */
  readonly read: Plan['sources'];
  /** What each gate says of the build currently serving. */
  readonly measured: readonly Measured[];
  /** What each comparing gate sees of it. */
  readonly compared: readonly SeenGate[];
}

/** Every hazard of this release, from the verdicts and facts that the release was judged on. */
export function lookAtHazards(
  judged: JudgedRelease,
  opened: Opened,
  { wants, given }: Looked['confirmation'],
  deps: Deps,
): readonly Hazard[] {
  const wayBack = restoring(judged, opened);
  const { newest } = readPointers(opened.pointerDirs[0] ?? '', deps.io.fs, opened.scope);
  return hazardsOf({
    ...judged,
    scope: opened.scope,
    unasked: judged.facts.unasked,
    unseen: [
      ...judged.measured.map(({ gate, unseen }) => ({ gate, unseen })),
      ...judged.compared.flatMap(({ gate, countable }) =>
        countable === undefined ? [] : [{ gate, unseen: countable.unseen ?? [] }],
      ),
    ],
    filesRead: judged.read.length,
    entries: opened.entries.length,
    leaderSince: opened.history.leader?.since ?? null,
    markDoubt: opened.marking.doubt,
    pointerGeneration: newest?.generation ?? null,
    members: judged.reading === null ? null : addressesIn(judged.reading),
    forgetful: judged.reading?.forgetful,
    routerDoubts: judged.reading?.doubts ?? [],
    clients: judged.facts.clients,
    wayBack,
    wayBackHosts: hostsOfChanges(wayBack ?? []),
    disk: filesystemOf(nearestFolder(opened.stateDir, deps.io), deps.io.fs),
    copies: (opened.settings?.copies ?? []).map((dir) => ({ dir, elsewhere: onAnotherDisk(dir, opened.stateDir, deps.io) })),
    confirmation: { wants, given },
  });
}

/** Where each member is reached. */
function addressesIn({ locations }: Reading) {
  const all = locations.flatMap(({ members }) => members);
  return all.map(({ name, place, ask }) => ({ place: place ?? name, address: ask.address }));
}

/** Shows each hazard that has something not verified; `plan` shows the others too. */
export function warnOfHazards(hazards: readonly Hazard[], deps: Deps): void {
  for (const hazard of hazards) {
    const doubts = unverified(hazard).map(({ control, detail }) => `${control}: ${detail}`);
    if (doubts.length === 0) continue;
    deps.line({ type: 'check', name: `hazard: ${hazard.hazard.replace(/\.$/, '')}`, ok: null, message: doubts.join('; ') });
  }
}

/** The changes that the pointer will hold before the first shift; null where the release did not get as far as a target. */
function restoring({ target, reading }: JudgedRelease, opened: Opened): Looked['wayBack'] {
  const known = currentKnownGood(opened.history)?.build;
  if (target === null || reading === null || known === undefined) return null;
  return target.changes(restoringSplit(known, { reading, history: opened.history }), 'at-once');
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
