/**
 * Small programs that must fail on a mutant and pass without one: `--name N` runs one of them, prints what it found, and exits 1 if
 * anything. They look at the parts that the simulator does not reach.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Claimed, end, lookFor, type Seen, thisProcess } from '../../src/base/changes/process-identity.ts';
import { createFile } from '../../src/base/durable/durable-file.ts';
import type { Pointer } from '../../src/base/pointer/pointer-format.ts';
import { chooseBuild } from '../../src/break-glass/choose.ts';
import { strictParse } from '../../src/config/parse/strict-parse.ts';
import { admit, ROLLBACK_CHECKS } from '../../src/core/admission/admission.ts';
import { admittedBefore } from '../../src/core/admission/admitted.ts';
import type { Facts } from '../../src/core/admission/facts.ts';
import type { Event } from '../../src/core/ledger/events.ts';
import { expectedSplit } from '../../src/core/ledger/expected.ts';
import { fold, servedBefore } from '../../src/core/ledger/history.ts';
import { manifestBreaches } from '../../src/core/manifest/manifest-rules.ts';
import { type Plan, stableSplit, stepSplit } from '../../src/core/rollout/plan.ts';
import { takeClaim } from '../../src/engine/claim.ts';
import { localStore } from '../../src/stores/local.ts';
import { answerOf, factsWith, historyWith, saying } from '../core/admission/facts.ts';
import {
  CANDIDATE,
  entriesOf,
  guidOf,
  listedAs,
  promotion,
  rollbackTo,
  SCOPE,
  STABLE,
  STAGING,
} from '../core/manifest/builds.ts';
import { begins, scene, when } from '../engine/scene.ts';
import { putFile, watched } from '../simulator/disk.ts';
import { memoryDisk } from '../simulator/memory-disk.ts';
import { Process } from '../simulator/process.ts';
import { rescue } from '../simulator/rescues.ts';
import { planOf } from '../simulator/rollouts.ts';
import { POINTER_DIR, Simulation, STATE_DIR } from '../simulator/simulation.ts';
import { claimedBy, note, notes } from '../stores/entries.ts';
import { bursts } from './detect-bursts.ts';
import { churn } from './detect-churn.ts';
import { condition } from './detect-condition.ts';
import { loneShare, unseenShare } from './detect-fairness.ts';
import { lines, listings, oddFiles } from './detect-files.ts';
import { counters, sockets } from './detect-haproxy.ts';
import { hosts } from './detect-hosts.ts';
import { unseenLatency } from './detect-latency.ts';
import { digests, sights } from './detect-ledgers.ts';
import { members } from './detect-members.ts';
import { nginxWords } from './detect-nginx.ts';
import { owners } from './detect-owners.ts';
import { queries } from './detect-prometheus.ts';
import { rescues } from './detect-rescues.ts';
import { holds, reserves, unreached } from './detect-rollback-path.ts';
import { strangers } from './detect-strangers.ts';
import { beginsAgain, stableInTrouble } from './detect-waits.ts';
import { words } from './detect-words.ts';
import { secondState } from './second-state.ts';

type Complaints = readonly string[];

/** More calls than a takeover makes. */
const CROSSINGS = 120;

const UNSEEN = { why: 'The manifest of acme/staging/kv-gateway is missing', fix: 'Put it back.', expected: true };

/** Facts in which exactly one check stands between the build and its promotion. */
function admission(): Complaints {
  const listed = (...listed: Facts['listed']) => factsWith({ listed, atPlace: listed.slice(0, 2) });
  const own = [listedAs(STABLE), listedAs(CANDIDATE)];
  const refused: Readonly<Record<string, Facts>> = {
    'listed elsewhere too': listed(...own, listedAs(CANDIDATE, STAGING)),
    'known to the ledger of staging': factsWith({ otherLedgers: [{ scope: STAGING, guids: new Set([CANDIDATE.guid]) }] }),
    'stamped for staging': listed(listedAs(STABLE), listedAs({ ...CANDIDATE, environment: 'staging' })),
    'not compared with a manifest that is missing': factsWith({ unseen: [UNSEEN] }),
    'listed twice': listed(...own, listedAs(CANDIDATE)),
    'older than the known-good build': factsWith({ history: historyWith({ highestSequence: 99 }) }),
    'marked bad': factsWith({ history: historyWith({ bad: new Map([[CANDIDATE.guid, 'a gate failed']]) }) }),
    'at a target that says staging': factsWith({ targetSays: ['staging'] }),
    'not at its place': factsWith({ candidateAnswers: saying(answerOf(STABLE)) }),
    'answering for staging': factsWith({ candidateAnswers: saying(answerOf(CANDIDATE, 'staging')) }),
    'without a pointer': factsWith({ pointer: { knownGood: null, damaged: [], ledgerCut: null } }),
    'judged by probes alone': factsWith({ clients: { gates: [], isProtected: true, probesOnly: false } }),
    'at a location that does not answer': factsWith({ silentLocations: [{ why: 'refused', cure: 'Start it.' }] }),
    'at a socket that may only look': factsWith({ unusable: { why: 'level operator', cure: 'Write level admin.' } }),
    'with a pointer that is too large': factsWith({ unfit: 'it would have more than 65536 bytes' }),
    'on a disk that keeps nothing': factsWith({ diskProblem: 'tmpfs' }),
  };
  const let_in = Object.entries(refused).filter(([, facts]) => admit(facts).build !== null);
  const goesBack = (more: Partial<Facts>) => {
    const back = factsWith({ guid: STABLE.guid, candidateAnswers: saying(answerOf(STABLE)), ...more });
    return admit(back, ROLLBACK_CHECKS).checked.every(({ refusal }) => refusal === undefined);
  };
  const bad = historyWith({ bad: new Map([[STABLE.guid, 'bad']]) });
  const stamped = [listedAs({ ...STABLE, environment: 'staging' }), listedAs(CANDIDATE)];
  const unsure = admit(factsWith({ unseen: [{ ...UNSEEN, expected: false }] })).checked;
  return [
    ...(unsure.some(({ notVerified }) => notVerified === UNSEEN.why) ? [] : ['calls a scope verified that was not seen']),
    ...(admit(factsWith()).build === null ? ['refuses a good build'] : []),
    ...let_in.map(([which]) => `lets a build in that is ${which}`),
    ...(goesBack({}) ? [] : ['refuses to go back to a good build']),
    ...(goesBack({ history: bad }) ? ['goes back to a bad build'] : []),
    ...(goesBack({ listed: stamped, atPlace: stamped }) ? ['goes back to a build that is stamped for staging'] : []),
  ];
}

/** Nothing is bad without a gate that failed or a person's word, and a pardon is no way around a newer known-good build. */
function marks(): Complaints {
  const events = (plan: Plan): Event[] => [
    { type: 'planned', atMs: 1, plan },
    { type: 'prepared', atMs: 1, generation: 1 },
    { type: 'shifted', atMs: 1, split: [...stepSplit(plan, 0)], certainty: 'served' },
    { type: 'converged', atMs: 1, baseline: {}, certainty: 'served' },
  ];
  const pass: Event = { type: 'polled', atMs: 1, verdict: 'pass', watchedMs: 60_000, missingMs: 0, advance: true, gates: [] };
  const pointed: Event = { type: 'pointed', atMs: 1, generation: 1, warnings: [] };
  const promoted = [...events(promotion([100])), pass, pointed];
  const abort: Event = { type: 'abort-requested', atMs: 1, actor: 'bob', reason: 'looks wrong' };
  const back: Event = { type: 'shifted', atMs: 1, split: [...stableSplit(promotion([100]))], certainty: 'served' };
  const left = fold(entriesOf([...promoted, ...events(rollbackTo(STABLE, CANDIDATE)), pointed]));
  const aborted = fold(entriesOf([...events(promotion([100])), abort, back]));
  const down: Event = { type: 'not-converged', atMs: 1, why: 'down', waitedMs: 0, final: true };
  const stuck = fold(entriesOf([...promoted, ...events(rollbackTo(STABLE, CANDIDATE)).slice(0, 3), down]));
  const cleared = historyWith({ cleared: new Set([CANDIDATE.guid]), highestSequence: 99 });
  const newest = { build: admittedBefore({ ...STABLE, guid: guidOf(99), sequence: 99 }), since: '', rollout: 'r-9' };
  const passed = factsWith({ history: { ...cleared, knownGood: [...cleared.knownGood, newest] } });
  return [
    ...(left.bad.size === 0 ? [] : ['a rollback without a word marks the build that it leaves']),
    ...(expectedSplit(stuck) === null ? [] : ['converge returns to the build that a stuck rollback was leaving']),
    ...(aborted.bad.size === 0 ? [] : ['an abort marks its candidate']),
    ...(servedBefore(aborted, STABLE.guid).length === 0 ? [] : ['traffic that was moved by hand is blamed on a build']),
    ...(admit(passed).build === null ? [] : ['a pardoned build passes a newer known-good one']),
  ];
}

/** Break-glass must not go to a bad build, nor to one whose place is another's by now. */
function choices(): Complaints {
  const restore = (build: typeof STABLE) => ({
    build,
    knownGoodSince: '2026-11-20T09:00:00Z',
    changes: [],
    checks: [],
    identity: [],
  });
  const pointer = (more: Partial<Pointer>): Pointer => ({
    formatVersion: 2,
    generation: 2,
    scope: SCOPE,
    writtenAt: '2026-11-21T10:00:00Z',
    why: 'promoted',
    rollout: null,
    ledgerHead: null,
    knownGood: restore(CANDIDATE),
    earlier: [restore(STABLE)],
    bad: [],
    idleTimeoutMs: 0,
    target: { questions: [], others: [] },
    addresses: {},
    ...more,
  });
  const goesTo = (one: Pointer, to?: string) => {
    try {
      return chooseBuild([one], to, new Map(), String).restore.build.guid;
    } catch {
      return 'refused';
    }
  };
  return [
    ...(goesTo(pointer({})) === CANDIDATE.guid ? [] : ['does not go to the known-good build']),
    ...(goesTo(pointer({ bad: [STABLE.guid] }), STABLE.guid) === 'refused' ? [] : ['goes to a bad build']),
    ...(goesTo(pointer({ earlier: [restore({ ...STABLE, ref: CANDIDATE.ref })] }), STABLE.guid) === 'refused'
      ? []
      : ['goes to a place that is taken']),
  ];
}

function manifests(): Complaints {
  const findings = (text: string, file: string) => strictParse(file, new TextEncoder().encode(text)).findings.length;
  const manifest = (environment: string) => ({
    file: `${environment}.yaml`,
    place: null,
    manifest: {
      apiVersion: 'kvdeploy.dev/v1',
      kind: 'ReleaseManifest',
      ...SCOPE,
      environment,
      builds: [CANDIDATE],
    } as Parameters<typeof manifestBreaches>[0][number]['manifest'],
  });
  return [
    ...(findings('a: 1\nb: 2\n', 'a.yaml') === 0 ? [] : ['refuses a good file']),
    ...(findings('a: 1\na: 2\n', 'a.yaml') > 0 ? [] : ['takes a key twice from YAML']),
    ...(findings('{"a":1,"a":2}', 'a.json') > 0 ? [] : ['takes a key twice from JSON']),
    ...(manifestBreaches([manifest('production')], null).length === 0 ? [] : ['refuses a good manifest']),
    ...(manifestBreaches([manifest('production'), manifest('staging')], null).length > 0
      ? []
      : ['takes a build for two environments']),
  ];
}

/** One process claims between another one's look at the ledger and its link. */
async function claims(): Promise<Complaints> {
  const sim = new Simulation({});
  const [one, two] = [new Process(sim, 11), new Process(sim, 12)];
  const store = (process: Process, io = process.io) => ({ process, store: localStore(STATE_DIR, io) });
  const { store: second } = store(two);
  const { store: early } = store(one);
  await early.append(SCOPE, 1, claimedBy(one.io.self()));
  await early.append(SCOPE, 2, { ...claimedBy(one.io.self()), event: { type: 'released', atMs: 1 } });
  let answer: Promise<string> | undefined;
  const overtaken = watched(
    one.io.fs,
    (call) => {
      if (call === 'linkSync') answer ??= second.append(SCOPE, 3, claimedBy(two.io.self()));
    },
    () => undefined,
  );
  const first = await localStore(STATE_DIR, { ...one.io, fs: overtaken })
    .append(SCOPE, 3, claimedBy(one.io.self()))
    .catch(() => 'failed');
  const both = first === 'ok' && (await answer) === 'ok';
  const found = both ? ['two processes were told that they lead'] : (await answer) === 'ok' ? [] : ['nobody leads'];
  const hidden = new Process(sim, 13, { sees: 'hidepid' });
  const by = { io: hidden.io, store: localStore(STATE_DIR, hidden.io), scope: SCOPE, actor: 'bob' };
  const taken = await takeClaim(by, 'resume', { takeOver: false }).catch(() => undefined);
  return taken === undefined ? found : [...found, 'the claim of a leader that is hidden was taken'];
}

/** The state goes in the middle of a bake: all of it with another one in its place, or only the pointer. */
async function lostState(): Promise<Complaints> {
  const replaced = scene();
  const other = replaced.process(12);
  when(replaced, begins('baking'), () => {
    replaced.sim.disk.renameSync(STATE_DIR, '/srv/lost');
    void localStore(STATE_DIR, other.io).append(SCOPE, 1, claimedBy(other.io.self()));
  });
  const ended = await replaced.go();
  const gone = scene();
  const missing: string[] = [];
  when(gone, begins('baking'), () => gone.sim.disk.renameSync(POINTER_DIR, '/srv/lost'));
  gone.sim.onShift = () => {
    if (gone.sim.moved.length > 0 && !gone.sim.disk.existsSync(POINTER_DIR)) missing.push('a shift without a pointer');
  };
  await gone.go();
  return ended.how === 'superseded' ? missing : [...missing, `another state drives the target, and this one ended ${ended.how}`];
}

/** Real processes, and claims that name them. */
async function processes(): Promise<Complaints> {
  const owner = process.geteuid?.() ?? -1;
  const script = join(mkdtempSync(join(tmpdir(), 'kvdeploy-mutant-')), 'kvdeploy.js');
  writeFileSync(script, "process.stdout.write('up'); setInterval(() => {}, 1000);");
  cpSync(script, `${script}.server.js`);
  const begun = async (argv: readonly string[]) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return { child, by: { ...thisProcess(), pid: child.pid ?? 0, started } };
  };
  const [leader, server] = [await begun([process.execPath, script]), await begun([process.execPath, `${script}.server.js`])];
  const shell = await begun(['sh', '-c', 'echo up; exec sleep 60']);
  const wrong: string[] = [];
  const must = async (what: string, claimed: Claimed, is: Seen['is']) => {
    const seen = [lookFor(claimed).is, (await end(claimed)).is];
    if (seen.some((each) => each !== is)) wrong.push(`${what}: ${seen.join(', ')} instead of ${is}`);
  };
  const { by } = leader;
  await must('a shell', { by: shell.by, owner, shared: false }, 'unsure');
  await must('another program of node', { by: server.by, owner, shared: false }, 'unsure');
  await must('a claim of someone else', { by, owner: owner + 1, shared: false }, 'unsure');
  await must('a free pid elsewhere', { by: { ...by, pid: 4_194_303, pidNamespace: 'pid:[7]' }, owner, shared: false }, 'unsure');
  await must('another machine', { by: { ...by, boot: 'another' }, owner, shared: true }, 'unsure');
  if (lookFor({ by: { ...by, host: 'renamed' }, owner, shared: false }).is !== 'running') wrong.push('a host was renamed');
  for (const { child } of [leader, server, shell]) child.kill('SIGKILL');
  rmSync(dirname(script), { recursive: true });
  return wrong;
}

/** A leader that nobody can end appends while it is taken over, at every place where the two can cross. */
async function fences(): Promise<Complaints> {
  const lost: string[] = [];
  for (let place = 1; place <= CROSSINGS; place += 1) {
    const sim = new Simulation({});
    const [one, two] = [new Process(sim, 11), new Process(sim, 12)];
    const leader = localStore(STATE_DIR, one.io);
    await leader.append(SCOPE, 1, claimedBy(one.io.self()));
    let answer: Promise<string> | undefined;
    let calls = 0;
    const cross = () => {
      calls += 1;
      if (calls === place) answer = leader.append(SCOPE, 2, note('acknowledged?'));
    };
    const taker = localStore(STATE_DIR, { ...two.io, fs: watched(two.io.fs, cross, () => undefined) });
    await taker.fence(SCOPE, 1);
    await taker.append(SCOPE, 2, claimedBy(two.io.self()));
    const { entries } = await taker.read(SCOPE);
    if ((await answer) === 'ok' && notes(entries).length === 0) lost.push(`an acknowledged entry is gone (crossing ${place})`);
  }
  return lost;
}

/** A leader in another container has a change on its way when break-glass acts, and it arrives after the first application. */
async function inFlight(): Promise<Complaints> {
  const here = scene();
  let sent = false;
  here.sim.fate = () => 'late';
  here.sim.onShift = () => {
    sent = true;
  };
  here.runner.lastWord = 'late';
  here.runner.freeze = (call) => {
    if (call === 'answered' && sent) here.runner.kill();
    return undefined;
  };
  const end = await here.go();
  here.sim.fate = () => 'done';
  await rescue(here.process(60, { sees: 'container' }));
  const order = here.sim.moved.map(({ by }) => by).join();
  if (end.how !== 'died' || !order.startsWith('60,11')) return [`nothing was in flight: ${order}`];
  return here.sim.split['blue'] === 100 ? [] : ['what a runner had in flight was the last word'];
}

/** A build that the router sees crash every four seconds, is well in between, and bakes for twenty. */
async function crashLoop(): Promise<Complaints> {
  const here = scene({ leaveAtMs: 120_000 });
  const crash = () => {
    const green = here.sim.builds.get('green');
    if (green !== undefined) green.downs += 1;
    here.sim.after(4000, crash);
  };
  when(here, begins('baking'), crash);
  const steps = [10, 100].map((percent) => ({ percent, bakeMs: 20_000 }));
  const ended = await here.go(planOf({ steps, patienceMs: 600_000 }));
  if (here.sim.split['green'] === 0 && ended.how === 'over') return [];
  return [`a build that crashes for ever ${ended.how === 'left' ? 'holds for ever' : 'goes on'}`];
}

/** A disk that says that it wrote, and did not. */
function lyingDisk(): Complaints {
  const disk = memoryDisk(() => 0);
  putFile(disk, '/state/here', '');
  const lying = watched(
    disk,
    (call, given) => {
      if (call === 'writeSync') (given as unknown[])[1] = Buffer.alloc((given[1] as Buffer).length, 0x20);
    },
    () => undefined,
  );
  try {
    createFile('/state/file', Buffer.from('the known-good build'), lying, () => undefined);
    return ['a file that was not written is called durable'];
  } catch {
    return [];
  }
}

const DETECTORS = {
  sockets,
  admission,
  digests,
  sights,
  strangers,
  counters,
  choices,
  marks,
  manifests,
  claims,
  processes,
  'lost state': lostState,
  fences,
  'in flight': inFlight,
  'crash loop': crashLoop,
  churn,
  'stable in trouble': stableInTrouble,
  'begins again': beginsAgain,
  'lone share': loneShare,
  bursts,
  'unseen share': unseenShare,
  'unseen latency': unseenLatency,
  queries,
  condition,
  rescues,
  'lying disk': lyingDisk,
  'second state': secondState,
  members,
  'nginx words': nginxWords,
  owners,
  hosts,
  reserves,
  holds,
  unreached,
  'odd files': oddFiles,
  lines,
  listings,
  words,
} as const;
export type Detector = keyof typeof DETECTORS;

const { values } = parseArgs({ options: { name: { type: 'string', default: '' } } });
const complaints = await DETECTORS[values.name as Detector]();
for (const complaint of complaints) process.stdout.write(`${complaint}\n`);
process.exitCode = complaints.length === 0 ? 0 : 1;
