/** Facts with which every check lets one build through; tests break one of them at a time. No I/O. */
import type { MemberAnswer } from '../../../src/core/admission/answers.ts';
import type { Facts } from '../../../src/core/admission/facts.ts';
import type { Answer } from '../../../src/core/admission/named.ts';
import { fold, type History } from '../../../src/core/ledger/history.ts';
import type { Build } from '../../../src/core/manifest/manifest.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { adoption, CANDIDATE, entriesOf, guidOf, listedAs, SCOPE, STABLE, STAGING } from '../manifest/builds.ts';

/** A staging build of the same service, as CI made it. */
export const FOREIGN: Build = { ...CANDIDATE, guid: guidOf(77), environment: 'staging' };

/** STABLE was adopted and is known-good; its rollout is done. */
export function historyWith(more: Partial<History> = {}): History {
  const folded = fold(
    entriesOf([
      { type: 'planned', atMs: 1, plan: adoption(STABLE) },
      { type: 'prepared', atMs: 1, generation: null },
      { type: 'converged', atMs: 1, baseline: {}, certainty: 'served' },
      { type: 'polled', atMs: 1, verdict: 'pass', watchedMs: 60_000, missingMs: 0, advance: true, gates: [] },
      { type: 'pointed', atMs: 1, generation: 1, warnings: [] },
    ]),
  );
  if (folded.rollout?.phase !== 'done') throw new Error('the rollout of this history is not done');
  return { ...folded, ...more };
}

/** The answer of a build that says who it is. */
export function answerOf(build: { readonly guid: Guid }, environment: string | null = SCOPE.environment) {
  return { guid: build.guid, environment, said: build.guid };
}

/** What a place with one member answers. */
export function saying(answer: Answer): readonly MemberAnswer[] {
  return [{ at: 'http://127.0.0.1:9002', answer }];
}

/** CANDIDATE waits at green for admission; STABLE serves everything at blue. */
export function factsWith(more: Partial<Facts> = {}): Facts {
  const own = [listedAs(STABLE), listedAs(CANDIDATE)];
  return {
    scope: SCOPE,
    guid: CANDIDATE.guid,
    gathered: ['files', 'target', 'plan', 'write'],
    listed: [...own, listedAs(FOREIGN, STAGING)],
    atPlace: own,
    listing: undefined,
    unseen: [],
    protected: true,
    otherLedgers: [{ scope: STAGING, guids: new Set([FOREIGN.guid]) }],
    history: historyWith(),
    identity: { path: '/healthz', header: 'x-build-guid' },
    environments: ['staging', 'production'],
    targetSays: ['production', 'lb-1'],
    places: [
      { place: 'blue', percent: 100, up: true },
      { place: 'green', percent: 0, up: true },
    ],
    candidateAnswers: saying(answerOf(CANDIDATE)),
    knownGoodAnswers: saying(answerOf(STABLE)),
    pointer: { knownGood: STABLE.guid, damaged: [], ledgerCut: null },
    required: null,
    unusable: undefined,
    tooFewUp: undefined,
    unfit: undefined,
    silentLocations: [],
    impossible: undefined,
    silent: undefined,
    clients: { gates: ['errors'], isProtected: true, probesOnly: false },
    diskProblem: null,
    ...more,
  };
}
