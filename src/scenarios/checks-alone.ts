/** The first incident against one check at a time: each alone refuses, none lets it through. Pure; nothing in the product turns a check off. */
import type { Scope } from '../base/scope.ts';
import { admit, CHECKS, ROLLBACK_CHECKS } from '../core/admission/admission.ts';
import { admittedBefore } from '../core/admission/admitted.ts';
import type { Check, Facts } from '../core/admission/facts.ts';
import type { Answer } from '../core/admission/named.ts';
import { fold, type History } from '../core/ledger/history.ts';
import { type Build, guidSchema, type ListedBuild } from '../core/manifest/manifest.ts';
import { type Planning, type PlanSettings, promotionPlan, rollbackPlan } from '../core/rollout/make-plan.ts';
import { apply, next, start } from '../core/rollout/rollout.ts';
import type { Member, Scenario } from './scenario.ts';

const PRODUCTION: Scope = { tenant: 'demo', environment: 'production', service: 'kv-gateway' };

const STAGING: Scope = { ...PRODUCTION, environment: 'staging' };

/** One control, alone. */
export interface CheckAlone {
  /** The check's own name in the core. */
  readonly control: string;
  /** How the staging build comes to the door. */
  readonly approach: string;
  /** The refusal's code, or null: then this check did not stop it. */
  readonly code: string | null;
  readonly message: string;
  /** Percent of production that the same build gets first with every check off; null: something else still refused. */
  readonly offPercent: number | null;
}

interface Approach extends Pick<CheckAlone, 'control' | 'approach'> {
  readonly facts: Facts;
  readonly checks: readonly Check[];
}

/** Every check that stands between the incident and production, each judged alone and then none. */
export function checksAlone(scenario: Scenario): readonly CheckAlone[] {
  const stable = buildOf(scenario.cast['stable']);
  const staging = buildOf(scenario.cast['staging']);
  return approaches(stable, staging).map(({ control, approach, facts, checks }) => {
    const one = checks.filter((check) => check.name === control);
    const alone = admit(facts, one);
    const stopped = alone.build === null ? alone.refusal : undefined;
    return {
      control,
      approach,
      code: stopped?.code ?? null,
      message: stopped?.message ?? 'let through',
      offPercent: firstPercent(facts, stable, checks === ROLLBACK_CHECKS),
    };
  });
}

function approaches(stable: Build, staging: Build): readonly Approach[] {
  const own = row(stable, PRODUCTION);
  const stray = row(staging, PRODUCTION);
  const theirs = row(staging, STAGING);
  const listedTwice: Partial<Facts> = { listed: [own, stray, theirs], atPlace: [own, stray] };
  const alone: Partial<Facts> = { listed: [own, stray], atPlace: [own, stray] };
  const stamped = row({ ...staging, environment: 'staging' }, PRODUCTION);
  const facts = (more: Partial<Facts>): Facts => ({ ...factsOf(stable, staging), ...more });
  const runs = (answer: Answer | null): Partial<Facts> => ({
    ...alone,
    candidateAnswers: answer === null ? [] : [{ at: 'green', answer }],
  });
  const answers = (guid: Build['guid'], environment: string | null): Answer => ({ guid, environment, said: guid });
  const present = 'the build itself answers at its place';
  const made: readonly (readonly [control: string, approach: string, facts: Partial<Facts>])[] = [
    [
      'the build is not stamped for another environment',
      'CI stamped it for staging',
      { ...alone, listed: [own, stamped], atPlace: [own, stamped] },
    ],
    [
      'the build is listed here exactly once',
      'its GUID is typed; only staging lists it',
      { listed: [own, theirs], atPlace: [own] },
    ],
    ['no other scope has the build', 'both environments list it', listedTwice],
    [
      'no other scope has the build',
      'staging no longer lists it, but released it once',
      { ...alone, otherLedgers: [{ scope: STAGING, guids: new Set([staging.guid]) }] },
    ],
    ['the target reports this environment', "the router is staging's", { ...alone, targetSays: ['staging'] }],
    [present, 'it runs nowhere in production', runs(null)],
    [present, 'nothing answers at its place', runs({ unreachable: 'connection refused' })],
    [present, 'another build answers at its place', runs(answers(stable.guid, 'production'))],
    [present, 'it runs in production and reports that it is for staging', runs(answers(staging.guid, 'staging'))],
  ];
  return [
    ...made.map(([control, approach, more]) => ({ control, approach, facts: facts(more), checks: CHECKS })),
    ...['the build was known-good here', 'no other scope has the build'].map((control) => ({
      control,
      approach: 'rollback is run with its GUID',
      facts: facts(listedTwice),
      checks: ROLLBACK_CHECKS,
    })),
  ];
}

/** Production in order, the stable build known-good, and the staging build as if it were one of production's own. */
function factsOf(stable: Build, staging: Build): Facts {
  const history: History = {
    ...fold([]),
    nextSeq: 9,
    knownGood: [{ build: admittedBefore(stable), since: '2023-10-30T18:00:00Z', rollout: 'r-1' }],
    highestSequence: stable.sequence,
  };
  return {
    scope: PRODUCTION,
    guid: staging.guid,
    gathered: ['files', 'target', 'plan', 'write'],
    ...{ listed: [], atPlace: [], listing: undefined, otherLedgers: [], unseen: [], protected: true, history },
    identity: { path: '/healthz', header: 'x-build-guid' },
    environments: ['staging', 'production'],
    targetSays: ['production'],
    places: [{ place: stable.ref, percent: 100, up: true }],
    candidateAnswers: [{ at: 'green', answer: { guid: staging.guid, environment: null, said: staging.guid } }],
    knownGoodAnswers: [{ at: 'blue', answer: { guid: stable.guid, environment: 'production', said: stable.guid } }],
    pointer: { knownGood: stable.guid, damaged: [], ledgerCut: null },
    ...{
      required: null,
      unusable: undefined,
      tooFewUp: undefined,
      unfit: undefined,
      silentLocations: [],
      impossible: undefined,
      silent: undefined,
      diskProblem: null,
    },
    clients: { gates: ['errors'], isProtected: true, probesOnly: false },
  };
}

const SETTINGS: PlanSettings = {
  scope: PRODUCTION,
  router: { kind: 'local' },
  identity: { path: '/healthz', header: 'x-build-guid' },
  steps: [5, 100].map((percent) => ({ percent, bakeMs: 60_000 })),
  gates: [],
  pollMs: 1000,
  patienceMs: 60_000,
  copies: [],
};

const PLANNING: Planning = { id: 'r-2', actor: 'replay', reason: null, sources: [], places: [] };

/** What the build gets at its first step where nothing is checked. */
function firstPercent(facts: Facts, stable: Build, rollback: boolean): number | null {
  const { build } = admit(facts, []);
  if (build === null) return null;
  const plan = rollback ? rollbackPlan(SETTINGS, PLANNING, build, stable) : promotionPlan(SETTINGS, PLANNING, build, stable);
  const effect = next(apply(start(plan), { type: 'prepared', atMs: 1, generation: 1 }));
  return 'split' in effect ? (effect.split.find((share) => share.place === build.ref)?.percent ?? 0) : null;
}

function buildOf(member: Member | undefined): Build {
  if (member === undefined) throw new Error('the incident needs a stable and a staging build');
  return {
    guid: guidSchema.parse(member.guid),
    version: member.version,
    digest: `sha256:${member.guid.replaceAll('-', '').repeat(2)}`,
    sequence: member.sequence,
    createdAt: '2023-10-30T18:00:00Z',
    ref: member.place,
  };
}

function row(build: Build, scope: Scope): ListedBuild {
  return { scope, build, file: `releases/${scope.environment}/${scope.service}.yaml`, line: 1, column: 1 };
}
