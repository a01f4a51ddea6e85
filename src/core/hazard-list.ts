/** The hazards that every release is held against, with what stands in the way of each. To add one: a row here, and a world in its test. */
import { durationText } from './gate.ts';
import { hasGate, lateGates, measuredText } from './hazard-gates.ts';
import {
  absent,
  byChecks,
  type DescribedHazard,
  engineering,
  type Looked,
  leveled,
  lookedAt,
  seen,
  unsure,
} from './hazard-sight.ts';
import { WAY_BACK_HAZARDS } from './hazard-way-back.ts';
import { shortGuid } from './scope.ts';

const candidate = ({ plan }: Looked) =>
  plan === null ? 'the build' : `${shortGuid(plan.candidate.guid)} at ${plan.candidate.ref}`;
const counted = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

const BUILD_HAZARDS: readonly DescribedHazard[] = [
  {
    id: 'foreign-build',
    hazard: 'A build of another environment, tenant or service gets in.',
    fix: 'Keep the manifests of all environments below one root, so that they can be looked at.',
    controls: (looked) => [
      engineering(
        'its own manifest lists it, once, and no other manifest or ledger does',
        byChecks(looked, 'foreign-build', `${counted(looked.filesRead, 'file')} read`),
      ),
      engineering('other scopes are looked at', otherScopes(looked)),
    ],
  },
  {
    id: 'build-absent',
    hazard: 'The build is not where the router would send traffic.',
    fix: 'Deploy the build to its place first.',
    controls: (looked) => [
      engineering(
        'the build itself says its GUID at the address that the router uses',
        byChecks(looked, 'build-absent', candidate(looked)),
      ),
    ],
  },
  {
    id: 'wrong-target',
    hazard: 'The target is not this environment.',
    fix: 'Let the target say which environment it is.',
    controls: (looked) => [
      engineering(
        'the target itself says which environment it is',
        byChecks(looked, 'wrong-target', `it says ${looked.scope.environment}`),
      ),
    ],
  },
  {
    id: 'stale-plan',
    hazard: 'The plan or the configuration is older than the world.',
    fix: 'Make the plan again.',
    controls: (looked) => [
      leveled(
        'elimination',
        'the plan is made of what is read now, and judged once more under the claim',
        lookedAt(looked.plan, () => seen(`${counted(looked.filesRead, 'file')}, ${counted(looked.entries, 'entry', 'entries')}`)),
      ),
    ],
  },
  {
    id: 'older-build',
    hazard: 'An older build is promoted again.',
    fix: 'To go back, use rollback.',
    controls: (looked) => [
      engineering(
        'its sequence is above all that was ever known-good here',
        byChecks(looked, 'older-build', looked.plan === null ? '' : `sequence ${looked.plan.candidate.sequence}`),
      ),
    ],
  },
  {
    id: 'bad-again',
    hazard: 'A build that failed here is promoted again.',
    fix: 'Build the mended source again.',
    controls: (looked) => [
      engineering('the ledger marks bad builds, and none is let in', byChecks(looked, 'bad-again', 'not marked')),
    ],
  },
  {
    id: 'untried-source',
    hazard: 'The source has run nowhere before.',
    fix: 'Promote it in the required environment first.',
    controls: (looked) =>
      looked.checked.some((check) => check.hazard === 'untried-source')
        ? [
            engineering(
              'it must have been known-good in another environment',
              byChecks(looked, 'untried-source', 'it has soaked there'),
            ),
          ]
        : [],
  },
];

const TRAFFIC_HAZARDS: readonly DescribedHazard[] = [
  {
    id: 'black-hole',
    hazard: 'Traffic goes where nobody answers.',
    fix: 'Give the service gates that count requests.',
    controls: (looked) => [
      engineering(
        'missing health is not health: it holds, then reverts',
        lookedAt(looked.plan, (plan) =>
          hasGate(plan) ? seen(`after ${durationText(plan.patienceMs)}`) : absent('there is no gate'),
        ),
      ),
      engineering(
        'the first step is small',
        lookedAt(looked.plan, ({ steps }) => {
          const percent = steps[0]?.percent ?? 100;
          return percent < 100 ? seen(`${percent} % at first`) : unsure('the first step moves everything at once');
        }),
      ),
    ],
  },
  {
    id: 'silent-metrics',
    hazard: 'A metric source says nothing, and silence is taken for health.',
    fix: 'Mend the source or the query.',
    controls: (looked) => [
      engineering(
        'every gate has data for the build that serves now, or nothing begins',
        byChecks(looked, 'silent-metrics', measuredText(looked)),
      ),
    ],
  },
  {
    id: 'late-gates',
    hazard: 'The gates cannot fail in time.',
    fix: 'Lower minRequests, send more probes, or give the service more patience.',
    controls: lateGates,
  },
  {
    id: 'rounded-split',
    hazard: 'The router gives a step another share than was asked for.',
    fix: 'Change the steps in the config.',
    controls: (looked) => [
      engineering(
        'every step is one that the router can serve, and is read back',
        byChecks(
          looked,
          'rounded-split',
          looked.plan === null ? '' : looked.plan.steps.map(({ percent }) => `${percent} %`).join(', '),
        ),
      ),
    ],
  },
  {
    id: 'forgetful-router',
    hazard: 'A reload of the router brings an earlier split back.',
    fix: 'Configure serverStateFile, and load-server-state-from-file in haproxy.cfg.',
    controls: (looked) => [
      looked.forgetful === undefined
        ? engineering(
            'the router loads the split that was saved last',
            lookedAt(looked.plan, ({ router }) => seen(`by the settings of ${router.kind}`)),
          )
        : leveled('ppe', 'somebody remembers it at every reload', unsure(looked.forgetful)),
    ],
  },
];

const RUNNER_HAZARDS: readonly DescribedHazard[] = [
  {
    id: 'two-runners',
    hazard: 'Two runners move the same traffic.',
    fix: 'Let the other one finish, or abort it.',
    controls: (looked) => [
      engineering(
        'one claim per scope, taken by compare-and-swap in the ledger',
        seen(`${counted(looked.entries, 'entry', 'entries')} verified, ${looked.entries + 1} is next`),
      ),
      engineering(
        'nobody else leads',
        looked.leaderSince === null ? seen('no claim stands') : unsure(`a claim of ${looked.leaderSince} was not given back`),
      ),
    ],
  },
  {
    id: 'crash-midway',
    hazard: 'The runner dies in the middle.',
    fix: 'Mend what keeps the way back from being rendered.',
    controls: (looked) => [
      engineering(
        'plan and way back are durable before the first shift; resume goes on',
        lookedAt(looked.wayBack, (changes) =>
          changes.length === 0
            ? absent('no way back can be rendered')
            : seen(`${counted(changes.length, 'change')} rendered now`),
        ),
      ),
    ],
  },
  {
    id: 'no-answer',
    hazard: 'Nobody can answer the prompt.',
    fix: 'Say the confirmation on the command line.',
    controls: ({ confirmation: { wants, given } }) => [
      engineering('without an answer nothing begins', seen(`it wants ${wants}`)),
      engineering(
        'somebody can answer',
        given === 'nobody'
          ? unsure(`no terminal here, and no ${wants}`)
          : seen(given === 'flag' ? 'by flag' : 'at this terminal'),
      ),
    ],
  },
];

/** In the order in which a reader asks: the build, the way back, the traffic, the runner. */
export const HAZARDS: readonly DescribedHazard[] = [...BUILD_HAZARDS, ...WAY_BACK_HAZARDS, ...TRAFFIC_HAZARDS, ...RUNNER_HAZARDS];

function otherScopes({ otherScopes, unseenLedgers }: Looked) {
  if (unseenLedgers > 0) return unsure(`${counted(unseenLedgers, 'ledger')} could not be read`);
  return otherScopes === 0 ? unsure('no other scope is known here') : seen(counted(otherScopes, 'scope'));
}
