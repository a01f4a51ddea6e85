/** Makes the engine's pointer generations durable: first in the state directory, then in each copy, the rescue program beside them. */
import { fileURLToPath } from 'node:url';
import type { Modes } from '../base/durable/durable-file.ts';
import { openStateDir } from '../base/durable/state-dir.ts';
import { copyDir, copyPointer, placeRescue, pointerDir, readPointers, writePointer } from '../base/pointer/pointer.ts';
import type { Scope } from '../base/scope.ts';
import type { History, KnownGood } from '../core/ledger/history.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { Plan } from '../core/rollout/plan.ts';
import { scopeText } from '../core/scope.ts';
import type { Io } from '../io.ts';
import type { Reading } from '../routers/router.ts';
import { stateError } from '../stores/state-error.ts';
import { type PointerDraft, renderPointer } from './render.ts';
import type { Target } from './target.ts';

export interface PointerPlaces {
  readonly scope: Scope;
  readonly stateDir: string;
  readonly copies: readonly string[];
  readonly modes: Modes;
}

/** The pointer's own directory first, then each copy. */
export function pointerDirsOf({ scope, stateDir, copies }: Pick<PointerPlaces, 'scope' | 'stateDir' | 'copies'>): string[] {
  return [pointerDir(stateDir, scope), ...copies.map((copy) => copyDir(copy, scope))];
}

export interface Published {
  readonly generation: number;
  /** Copies that failed. */
  readonly warnings: readonly string[];
}

/** What a rollout knows when it writes its pointer. */
export interface Pointing {
  readonly plan: Plan;
  readonly history: History;
  readonly reading: Reading;
  /** Hash of the ledger's last line: the pointer's anchor in the ledger. */
  readonly ledgerHead: string;
}

/** Makes a rollout's generation durable in the state directory and then in each copy. */
export function publishRollout(
  why: 'before-rollout' | 'adopted' | 'promoted' | 'rolled-back',
  { plan, history, reading, ledgerHead }: Pointing,
  { places, target, io }: { readonly places: PointerPlaces; readonly target: Target; readonly io: Io },
): Published {
  const atIso = new Date(io.now()).toISOString();
  const incoming = why === 'before-rollout' ? plan.stable : plan.candidate;
  if (incoming === null) throw new Error(`plan ${plan.id} has no build for the pointer`);
  const left = why === 'rolled-back' && plan.stable !== null ? [plan.stable.guid] : [];
  const draft = renderPointer({
    scope: places.scope,
    target,
    identity: plan.identity,
    reading,
    history,
    knownGood: knownGoodOf(incoming, why, history.knownGood, plan, atIso),
    occupants: new Map([plan.candidate, plan.stable].flatMap((build) => (build === null ? [] : [[build.ref, build.guid]]))),
    bad: [...new Set([...history.bad.keys(), ...left])],
    why,
    rollout: plan.id,
    ledgerHead,
    atIso,
  });
  return publishPointer(places, draft, io);
}

function knownGoodOf(build: Build, why: string, known: readonly KnownGood[], plan: Plan, atIso: string): KnownGood {
  const before = known.find((entry) => entry.build.guid === build.guid);
  if (before !== undefined && why === 'before-rollout') return before;
  return { build, since: atIso, rollout: plan.id };
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
  placeRescue(dir, rescueSource(), io.fs, modes);
  const warnings: string[] = [];
  const copyDirs = copies.flatMap((copy) => {
    try {
      const made = makePointerDir(copy, scope, modes, io);
      placeRescue(made, rescueSource(), io.fs, modes);
      return [made];
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
  if (readPointers(dir, io.fs, scope).newest?.generation !== generation)
    throw new Error(`generation ${generation} was written to ${dir}, but does not read back as the newest`);
  return { generation, warnings };
}

function copyWarning(dir: string, error: unknown): string {
  return `THE COPY of the known-good pointer in ${dir} was not written: ${error instanceof Error ? error.message : String(error)}`;
}

/** Makes the scope's pointer directory in the state directory or in a copy; durable, with the right modes. */
export function makePointerDir(root: string, scope: Scope, modes: Modes, io: Io): string {
  return openStateDir(root, [scope.tenant, scope.environment, scope.service, 'pointer'], io.fs, modes);
}

/** The rescue program that is put beside every pointer. */
export function rescueSource(): string {
  return fileURLToPath(new URL('./break-glass.mjs', import.meta.url));
}
