/** Renders the known-good pointer: for each build that may be gone back to, the changes that restore it over the members of now. */
import { isDeepStrictEqual } from 'node:util';
import type { Pointer, Restore } from '../base/pointer/pointer-format.ts';
import type { Scope } from '../base/scope.ts';
import type { IdentityConfig } from '../core/identity.ts';
import { type History, type KnownGood, waysBack } from '../core/ledger/history.ts';
import type { Build } from '../core/manifest/manifest.ts';
import type { Split } from '../core/rollout/split.ts';
import type { Reading } from '../routers/router.ts';
import type { Target } from './target.ts';

export type PointerDraft = Omit<Pointer, 'generation'>;

const EARLIER_MAX = 5;

const IDENTITY_TIMEOUT_MS = 2000;

/** What the engine knows when it renders. */
export interface Rendering {
  readonly scope: Scope;
  readonly target: Target;
  readonly identity: IdentityConfig | null;
  readonly reading: Reading;
  readonly history: History;
  readonly knownGood: KnownGood;
  /** The build at each place, as far as it is known: where another one is by now, no earlier build can be restored. */
  readonly occupants: ReadonlyMap<string, string>;
  readonly bad: readonly string[];
  readonly why: Pointer['why'];
  readonly rollout: string | null;
  readonly ledgerHead: string | null;
  readonly atIso: string;
}

/** The pointer to write; pure but for the router's own pure renderers. */
export function renderPointer(rendering: Rendering): PointerDraft {
  return {
    formatVersion: 1,
    scope: rendering.scope,
    writtenAt: rendering.atIso,
    why: rendering.why,
    rollout: rendering.rollout,
    ledgerHead: rendering.ledgerHead,
    knownGood: renderRestore(rendering, rendering.knownGood),
    earlier: earlierBuilds(rendering).map((known) => renderRestore(rendering, known)),
    bad: rendering.bad,
    idleTimeoutMs: rendering.target.idleTimeoutMs,
  };
}

/** Earlier known-good builds that can still be restored: not bad, their place still theirs and still at the target. */
function earlierBuilds(rendering: Rendering): readonly KnownGood[] {
  const { history, knownGood, reading } = rendering;
  const taken = new Set([knownGood.build.ref]);
  const bad = new Set(rendering.bad);
  const possible: KnownGood[] = [];
  for (const known of waysBack(history)) {
    const { guid, ref } = known.build;
    if (guid === knownGood.build.guid || bad.has(guid) || taken.has(ref)) continue;
    taken.add(ref);
    if ((rendering.occupants.get(ref) ?? guid) !== guid) continue;
    if (reading.members.some((member) => member.place === ref)) possible.push(known);
  }
  return possible.slice(0, EARLIER_MAX);
}

function renderRestore(rendering: Rendering, known: KnownGood): Restore {
  const { build } = known;
  const split = restoringSplit(build, rendering.reading);
  const { guid, digest, version, sequence, ref } = build;
  return {
    build: { guid, digest, version, sequence, ref },
    knownGoodSince: known.since,
    changes: rendering.target.changes(split, 'at-once'),
    checks: rendering.target.checks(split),
    identity: identityCheck(rendering, build),
  };
}

/** Everything to one build, nothing to every other member that the target has now. */
export function restoringSplit(build: Build, reading: Reading): Split {
  const others = reading.members.filter((member) => member.place !== build.ref);
  return [
    { place: build.ref, build: build.guid, percent: 100 },
    ...others.map((member) => ({ place: member.place, build: null, percent: 0 })),
  ];
}

function identityCheck(rendering: Rendering, build: Build): Restore['identity'] {
  const url = rendering.target.identityUrl(build.ref, rendering.reading);
  const { identity } = rendering;
  if (url === null || identity === null) return null;
  const where = identity.header === undefined ? { json: (identity.json ?? '').split('.') } : { header: identity.header };
  return { kind: 'http', url, ...where, equals: build.guid, timeoutMs: IDENTITY_TIMEOUT_MS };
}

/** Why the restoring changes in force would not lead to `knownGood` over the members of now, or null (pointer verify). */
export function staleness(pointer: Pointer, fresh: PointerDraft): string | null {
  if (pointer.knownGood.build.guid !== fresh.knownGood.build.guid) {
    return `it names ${pointer.knownGood.build.guid}, the ledger ${fresh.knownGood.build.guid}`;
  }
  // By value: what was read back has its keys in another order than what was rendered just now.
  if (!isDeepStrictEqual(pointer.knownGood.changes, fresh.knownGood.changes)) {
    return 'the changes that restore it differ from those rendered now: the target or its settings have changed since';
  }
  return null;
}
