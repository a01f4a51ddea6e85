/** The hazards that every release is held against, with what stands in the way of each. To add one: a row here, and a world in its test. */
import type { Change } from '../../base/changes/change.ts';
import type { Plan, PlannedGate } from '../rollout/plan.ts';
import { shortGuid } from '../scope.ts';
import { msText } from '../text.ts';
import {
  absent,
  byChecks,
  type Control,
  type DescribedHazard,
  engineering,
  type Looked,
  leveled,
  lookedAt,
  seen,
  unsure,
} from './hazard-sight.ts';

// Whether the gates of a release can judge in time: the one hazard that needs arithmetic. No I/O.

/** True where anything judges the candidate's health. */
export function hasGate({ gates, comparison }: Pick<Plan, 'gates' | 'comparison'>): boolean {
  return gates.length > 0 || comparison !== undefined;
}

/** What each gate's source said of the build that serves now. */
export function measuredText({ measured, plan }: Looked): string {
  const texts = measured.map(({ gate, measurement }) =>
    'missing' in measurement ? `${gate}: no data` : `${gate}: ${measurement.requests} requests`,
  );
  const compared = (plan?.comparison?.gates ?? []).map(({ name }) => `${name}: counted`);
  return [...texts, ...compared].join(', ');
}

/**
 * Whether each gate can reach its least number of requests before patience runs out. A source that sends its own requests says
 * so by what it sends now. How much traffic a counting source will see cannot be known from one look; there too few revert.
 */
export function lateGates(looked: Looked): readonly Control[] {
  const control = 'every gate can see its least number of requests in time';
  const { plan } = looked;
  if (plan === null)
    return [
      engineering(
        control,
        lookedAt(plan, () => seen('')),
      ),
    ];
  if (!hasGate(plan)) return [engineering(control, absent('there is no gate'))];
  if (plan.gates.length === 0)
    return [engineering('evidence decides as soon as it is enough, and holds until then', seen('by comparison'))];
  const within = msText(plan.patienceMs);
  const reaches = plan.gates.map((gate) => ({ gate, most: mostRequests(gate, plan, looked) }));
  const never = reaches.find(({ gate, most }) => most !== null && most < gate.minRequests);
  if (never !== undefined) {
    const why = `gate ${never.gate.name} sees at most ${never.most} of ${never.gate.minRequests} requests in ${within}`;
    return [engineering(control, absent(why))];
  }
  const unknown = reaches.filter(({ most }) => most === null).map(({ gate }) => gate.name);
  if (unknown.length === 0) {
    const known = reaches.map(({ gate, most }) => `${gate.name}: ${gate.minRequests} of up to ${most}`);
    return [engineering(control, seen(known.join(', ')))];
  }
  return [
    engineering(control, unsure(`the traffic of ${unknown.join(', ')} cannot be known from one look`)),
    engineering('too few requests hold, then revert', seen(`after ${within}`)),
  ];
}

/** The most that a gate can see before patience runs out, or null where that cannot be known. */
function mostRequests(gate: PlannedGate, plan: Plan, { measured }: Looked): number | null {
  const measurement = measured.find((each) => each.gate === gate.name)?.measurement;
  if (measurement === undefined || 'missing' in measurement || measurement.counting === 'total') return null;
  // The first poll comes at once, the last may begin just before the end.
  return measurement.requests * (2 + Math.floor(plan.patienceMs / plan.pollMs));
}

// The hazards of the way back: no known-good build, a way that runs through what changes, a disk that forgets. No I/O.

export const WAY_BACK_HAZARDS: readonly DescribedHazard[] = [
  {
    id: 'no-known-good',
    hazard: 'There is no known-good build to go back to.',
    fix: 'Take over what serves now: kvdeploy adopt.',
    controls: (looked) => [
      engineering(
        'the pointer on local disk verifies, and its build serves and answers now',
        byChecks(looked, 'no-known-good', knownGoodText(looked)),
      ),
    ],
  },
  {
    id: 'way-back-depends',
    hazard: 'The way back depends on what is being changed.',
    fix: 'Give the router an address of its own, and the new build another place than the known-good one.',
    controls: (looked) => [
      engineering('both builds have a place of their own', byChecks(looked, 'way-back-depends', placesText(looked))),
      engineering('no change that restores runs through the service itself', throughService(looked)),
      engineering('a copy of the pointer lies on another disk', copySight(looked)),
    ],
  },
  {
    id: 'disk',
    hazard: 'The disk cannot keep what it acknowledges.',
    fix: 'Put the state on a local disk with room: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
    controls: (looked) => [
      engineering(
        'a file is written, linked, flushed and read back',
        byChecks(looked, 'disk', 'done just now', unsure('only promote tries it, since that writes a file')),
      ),
      engineering('the filesystem keeps what it flushes', filesystemSight(looked)),
      engineering(
        'the pointer that was written last reads back whole',
        looked.pointerGeneration === null ? unsure('there is none yet') : seen(`generation ${looked.pointerGeneration}`),
      ),
    ],
  },
];

function knownGoodText({ plan, pointerGeneration }: Looked): string {
  const stable = plan?.stable ?? null;
  const build = stable === null ? '' : `${shortGuid(stable.guid)} at ${stable.ref}, `;
  return `${build}generation ${pointerGeneration ?? 'unknown'}`;
}

function placesText({ plan }: Looked): string {
  return plan === null ? '' : `${plan.candidate.ref} and ${plan.stable?.ref ?? 'none'}`;
}

/** A restoring change that is sent to a member of the target needs the very service that may be down by then. */
function throughService({ wayBack, members }: Looked) {
  const own = new Map((members ?? []).flatMap(({ place, address }) => (address === null ? [] : [[hostOf(address), place]])));
  return lookedAt(wayBack, (changes) => {
    const hosts = changes.flatMap(remoteHost);
    const through = hosts.find((host) => own.has(host));
    if (through !== undefined) return absent(`a restoring change goes to ${through}, which is ${own.get(through)}`);
    return seen(hosts.length === 0 ? 'files and sockets of this host only' : hosts.join(', '));
  });
}

/** Where a change goes over the network: `host:port`. */
function remoteHost(change: Change): readonly string[] {
  switch (change.kind) {
    case 'request':
      return [hostOf(change.url)];
    case 'socket':
      return change.address.startsWith('/') ? [] : [change.address.toLowerCase()];
    case 'write-file':
    case 'run':
      return [];
  }
}

/** `http://127.0.0.1:9001` as `127.0.0.1:9001`, with the port that it has when it says none. */
function hostOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function copySight({ copies }: Looked) {
  if (copies.length === 0) return unsure('no copy is configured (pointer: copies)');
  const elsewhere = copies.find((copy) => copy.elsewhere === true);
  if (elsewhere !== undefined) return seen(elsewhere.dir);
  const unseen = copies.find((copy) => copy.elsewhere === null);
  return unsure(unseen === undefined ? 'every copy lies on the disk of the state' : `${unseen.dir} cannot be looked at`);
}

function filesystemSight({ disk: { kind, name } }: Looked) {
  switch (kind) {
    case 'durable':
      return seen(name);
    case 'unsure':
      return unsure(`${name}: its promises depend on somebody else`);
    case 'volatile':
      return absent(`${name} is gone after a restart`);
  }
}

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
        lookedAt(looked.plan, (plan) => (hasGate(plan) ? seen(`after ${msText(plan.patienceMs)}`) : absent('there is no gate'))),
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
