/** The hazards that every release is judged by, with what stands in the way of each. To add one: a row here, and a case in its test. */
import type { Change } from '../../base/changes/change.ts';
import type { Refusal } from '../errors.ts';
import type { Plan } from '../rollout/plan.ts';
import { shortGuid } from '../scope.ts';
import { msText } from '../text.ts';
import { listedOnce, notForeign, othersSeen, ownListing, ownStamp, rightScope } from './build-checks.ts';
import type { Remedy } from './facts.ts';
import {
  absent,
  byChecks,
  type Control,
  engineering,
  type Hazard,
  isControlled,
  type Looked,
  leveled,
  lookedAt,
  type Sight,
  seen,
  unsure,
} from './hazard.ts';
import { askedByPromote, hasGate, lateGates, measuredText, seesAll } from './hazard-gates.ts';
import { environmentProven, namedOnce, present } from './identity-checks.ts';
import { enoughUp } from './plan-checks.ts';

/** One row. Without a control it is no hazard of this release. */
interface Row extends Pick<Hazard, 'id' | 'hazard'> {
  readonly fix: string | ((looked: Looked) => string);
  /** `by` makes the control that the checks against this hazard are. */
  readonly controls: (looked: Looked, by: ByChecks) => readonly Control[];
}

type ByChecks = (control: string, detail: string | ((plan: Plan) => string), how?: Parameters<typeof byChecks>[3]) => Control;

const BUILD_HAZARDS: readonly Row[] = [
  {
    id: 'foreign-build',
    hazard: 'A build of another environment, tenant or service is admitted.',
    fix: 'Keep the manifests of all environments below one root, so that they can be checked.',
    controls: (looked, by) => [
      by('its own manifest lists it, exactly once', `${counted(looked.filesRead, 'file')} read`, {
        names: [rightScope.name, ownStamp.name, listedOnce.name, ownListing.name, environmentProven.name],
      }),
      looked.otherScopes === 0
        ? engineering('other scopes are checked', unsure('no other scope is known'))
        : by('other scopes are checked', counted(looked.otherScopes, 'scope'), { names: [notForeign.name, othersSeen.name] }),
    ],
  },
  {
    id: 'build-absent',
    hazard: 'The build is not at the place to which the router sends traffic.',
    fix: 'Deploy the build to its place first.',
    controls: identityControls,
  },
  {
    id: 'wrong-target',
    hazard: 'The target is not this environment.',
    fix: 'Make the target report its environment.',
    controls: ({ scope }, by) => [by('the target itself reports its environment', `it reports ${scope.environment}`)],
  },
  {
    id: 'stale-plan',
    hazard: 'The plan or the configuration is out of date.',
    fix: 'Create the plan again.',
    controls: ({ plan, filesRead, entries }) => [
      leveled(
        'elimination',
        'the plan is created from current data, and checked again under the claim',
        lookedAt(plan, () => seen(`${counted(filesRead, 'file')}, ${counted(entries, 'entry', 'entries')}`)),
      ),
    ],
  },
  {
    id: 'older-build',
    hazard: 'An older build is promoted again.',
    fix: 'To return to an older build, use rollback.',
    controls: (_looked, by) => [
      by('its sequence is above every sequence that was ever known-good here', (plan) => `sequence ${plan.candidate.sequence}`),
    ],
  },
  {
    id: 'bad-again',
    hazard: 'A build that failed here is promoted again.',
    fix: 'Fix the source and build it again.',
    controls: (_looked, by) => [by('the ledger marks bad builds, and none is admitted', 'not marked')],
  },
  {
    id: 'untried-source',
    hazard: 'The source has not run anywhere before.',
    fix: 'Promote it in the required environment first.',
    controls: ({ checked }, by) =>
      checked.some(({ hazard }) => hazard === 'untried-source')
        ? [by('it was known-good in another environment', 'it has soaked there')]
        : [],
  },
];

const ROLLBACK_HAZARDS: readonly Row[] = [
  {
    id: 'no-known-good',
    hazard: 'There is no known-good build to roll back to.',
    fix: 'Adopt the build currently serving: kvdeploy adopt.',
    controls: ({ plan, pointerGeneration }, by) => {
      const stable = plan?.stable ?? null;
      const build = stable === null ? '' : `${shortGuid(stable.guid)} at ${stable.ref}, `;
      const detail = `${build}generation ${pointerGeneration ?? 'unknown'}`;
      return [by('the pointer on local disk verifies, and its build is serving and answering now', detail)];
    },
  },
  {
    id: 'way-back-depends',
    hazard: 'The rollback path depends on what is being changed.',
    fix: 'Give the router a separate address, and give the new build a different place than the known-good build.',
    controls: (looked, by) => [
      by('each build has its own place', (plan) => `${plan.candidate.ref} and ${plan.stable?.ref ?? 'none'}`),
      engineering('no restoring change goes through the service itself', throughService(looked)),
      engineering('a copy of the pointer is on another disk', copySight(looked)),
    ],
  },
  {
    id: 'way-back-names',
    hazard: 'The rollback path needs a host name to be resolved (DNS).',
    fix: 'Give the router by an IP address or a UNIX socket.',
    controls: ({ wayBackHosts }) => {
      const hosts = wayBackHosts.join(', ');
      if (hosts === '') return [];
      return [
        engineering('no restoring change needs a host name', unsure(`${hosts} must resolve`)),
        engineering(
          'break-glass reaches the address in the pointer where the name does not resolve',
          seen('written with the pointer before the first shift; used only if what answers there is this environment'),
        ),
      ];
    },
  },
  {
    id: 'disk',
    hazard: 'The disk cannot keep what it acknowledges.',
    fix: 'Put the state on a local disk with free space: --state-dir, KVDEPLOY_STATE_DIR or stateDir in the config.',
    controls: (looked, by) => [
      by('a file is written, linked, flushed and read back', 'done just now', {
        notMade: unsure('only promote tries it: it writes a file'),
      }),
      engineering('the file system keeps flushed data', filesystemSight(looked)),
      engineering(
        'the newest pointer reads back whole',
        looked.pointerGeneration === null ? unsure('there is none yet') : seen(`generation ${looked.pointerGeneration}`),
      ),
    ],
  },
];

const TRAFFIC_HAZARDS: readonly Row[] = [
  {
    id: 'black-hole',
    hazard: 'Traffic goes where nothing answers.',
    fix: 'Give the service gates that count requests.',
    controls: ({ plan, unasked }, by) => [
      by('each place has enough members up, and again before each raise', 'at every location', { names: [enoughUp.name] }),
      engineering(
        'missing health is never healthy: it holds, then reverts',
        lookedAt(plan, (of) =>
          hasGate(of) || unasked !== undefined ? seen(`after ${msText(of.patienceMs)}`) : absent('there is no gate'),
        ),
      ),
      engineering(
        'the first step is small',
        lookedAt(plan, ({ steps }) => {
          const percent = steps[0]?.percent ?? 100;
          return percent < 100 ? seen(`${percent} % at first`) : unsure('the first step shifts all traffic at once');
        }),
      ),
    ],
  },
  {
    id: 'silent-metrics',
    hazard: 'A metric source is silent, and silence is taken for health.',
    fix: 'Fix the source or the query.',
    controls: (looked, by) => [
      by('every gate has data for the build currently serving, or nothing begins', measuredText(looked)),
      ...askedByPromote(looked),
    ],
  },
  {
    id: 'client-failures',
    hazard: 'A failure that only clients see is taken for health.',
    fix: 'Count the requests of clients: gates: [errors].',
    controls: ({ clients, unseen }, by) => {
      if (clients === null || clients.gates.length > 0 || (clients.isProtected && !clients.probesOnly))
        return [by('a gate counts the requests of clients', clients?.gates.join(', ') ?? ''), ...seesAll(clients?.gates, unseen)];
      const said = clients.probesOnly ? 'probesOnly: true' : 'it is not protected';
      return [leveled('administration', 'someone decided that probes are enough here', seen(said))];
    },
  },
  {
    id: 'late-gates',
    hazard: 'The gates cannot fail in time.',
    fix: 'Lower minRequests, send more probes, or increase the patience of the service.',
    controls: lateGates,
  },
  {
    id: 'rounded-split',
    hazard: 'The router gives a step another share than requested.',
    fix: 'Change the steps in the config.',
    controls: (_looked, by) => [
      by('the router can serve every step, and each is read back', ({ steps }) =>
        steps.map(({ percent }) => `${percent} %`).join(', '),
      ),
    ],
  },
  {
    id: 'forgetful-router',
    hazard: 'A router reload restores an earlier split.',
    fix: ({ forgetful }) => forgetful?.cure ?? '',
    controls: ({ plan, forgetful, routerDoubts }) => [
      forgetful === undefined
        ? engineering(
            'the router loads the last saved split',
            lookedAt(plan, ({ router }) => seen(`by the settings of ${router.kind}`)),
          )
        : leveled('ppe', 'someone remembers it at every reload', unsure(forgetful.why)),
      ...routerDoubts.map((doubt) => engineering("the router's own configuration is as kvdeploy needs it", unsure(doubt))),
    ],
  },
];

/** What an adoption is refused for, as a promotion is by its hazards; undefined where the router keeps the last split. */
export function forgetfulRefusal(forgetful: Remedy | undefined): Refusal | undefined {
  const row = TRAFFIC_HAZARDS.find(({ id }) => id === 'forgetful-router');
  if (forgetful === undefined || row === undefined) return undefined;
  const message = `${row.hazard.replace(/\.$/, '')}: ${forgetful.why}.`;
  return { code: 'HAZARD_UNCONTROLLED', message, hint: forgetful.cure };
}

const RUNNER_HAZARDS: readonly Row[] = [
  {
    id: 'two-runners',
    hazard: 'Two runners shift the same traffic.',
    fix: 'Let the other runner finish, or abort it.',
    controls: ({ entries, leaderSince, markDoubt }) => [
      engineering(
        'one claim per scope, taken by compare-and-swap in the ledger',
        seen(`${counted(entries, 'entry', 'entries')} verified, ${entries + 1} is next`),
      ),
      engineering(
        'no one else leads',
        leaderSince === null ? seen('there is no claim') : unsure(`a claim of ${leaderSince} was not given back`),
      ),
      engineering(
        'no other state drives this target',
        markDoubt === null ? seen('no marker of another state lies next to what the router keeps') : unsure(markDoubt),
      ),
    ],
  },
  {
    id: 'crash-midway',
    hazard: 'The runner dies during the rollout.',
    fix: 'Fix what keeps the rollback path from being rendered.',
    controls: ({ wayBack }) => [
      engineering(
        'plan and rollback path are durable before the first shift; resume continues',
        lookedAt(wayBack, ({ length }) =>
          length === 0 ? absent('no rollback path can be rendered') : seen(`${counted(length, 'change')} rendered now`),
        ),
      ),
    ],
  },
  {
    id: 'no-answer',
    hazard: 'No one can answer the prompt.',
    fix: 'Give the confirmation on the command line.',
    controls: ({ confirmation: { wants, given } }) => [
      engineering('nothing begins without confirmation', seen(`it requires ${wants}`)),
      engineering(
        'someone can answer',
        given === 'no one'
          ? unsure(`no terminal here, and no ${wants}`)
          : seen(given === 'flag' ? 'by flag' : 'at this terminal'),
      ),
    ],
  },
];

function identityControls({ plan }: Looked, by: ByChecks): readonly Control[] {
  if (plan?.identity === 'none') {
    const unproven = `identity: none, and the environment is not protected: that ${shortGuid(plan.candidate.guid)} runs at ${plan.candidate.ref} is unproven`;
    return [leveled('administration', 'someone decided that no build is asked here', seen(unproven))];
  }
  const detail = plan === null ? 'the build' : `${shortGuid(plan.candidate.guid)} at ${plan.candidate.ref}`;
  return [
    by('every member of its place says that it is this build', detail, { names: [present.name] }),
    by('what it says of itself names it alone', 'no other build here says the same', { names: [namedOnce.name] }),
  ];
}

/** Every hazard of this release, each judged, in the order in which a reader asks: the build, the rollback, the traffic, the runner. */
export function hazardsOf(looked: Looked): readonly Hazard[] {
  const rows = [...BUILD_HAZARDS, ...ROLLBACK_HAZARDS, ...TRAFFIC_HAZARDS, ...RUNNER_HAZARDS];
  return rows.flatMap(({ id, hazard, fix, controls: look }) => {
    const by: ByChecks = (control, detail, how) => {
      const text = typeof detail === 'string' ? detail : looked.plan === null ? '' : detail(looked.plan);
      return engineering(control, byChecks(looked, id, text, how));
    };
    const controls = look(looked, by);
    return controls.length === 0
      ? []
      : [{ id, hazard, controls, controlled: isControlled(controls), fix: typeof fix === 'string' ? fix : fix(looked) }];
  });
}

const counted = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** A restoring change that is sent to a member of the target needs the very service that may be down by then. */
function throughService({ wayBack, members }: Looked): Sight {
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

/** `http://127.0.0.1:9001` as `127.0.0.1:9001`, with the port of its protocol where it names none. */
function hostOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  return `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`;
}

function copySight({ copies }: Looked): Sight {
  if (copies.length === 0) return unsure('no copy is configured (pointer: copies)');
  const elsewhere = copies.find((copy) => copy.elsewhere === true);
  if (elsewhere !== undefined) return seen(elsewhere.dir);
  const unseen = copies.find((copy) => copy.elsewhere === null);
  return unsure(unseen === undefined ? 'every copy is on the disk of the state' : `${unseen.dir} cannot be checked`);
}

function filesystemSight({ disk: { kind, name } }: Looked): Sight {
  switch (kind) {
    case 'durable':
      return seen(name);
    case 'unsure':
      return unsure(`${name}: its promises depend on someone else`);
    case 'volatile':
      return absent(`${name} is empty after a reboot`);
  }
}
