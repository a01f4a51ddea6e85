/** What `doctor` says about the state of one scope: folder, disk, ledger, leader, hold, pointers. Writes only a probe, and removes it. */
import { diskProblem, filesystemOf, stateDirExists } from '../../../base/durable/state-dir.ts';
import { readHold } from '../../../base/pointer/hold.ts';
import { hostsOfChanges } from '../../../base/pointer/host-names.ts';
import { readPointers } from '../../../base/pointer/pointer.ts';
import type { Pointer } from '../../../base/pointer/pointer-format.ts';
import { openRollout, rescueGoal } from '../../../core/ledger/history.ts';
import { shortGuid } from '../../../core/scope.ts';
import { msText } from '../../../core/text.ts';
import { claimedOf } from '../../../engine/claim.ts';
import { nearestFolder } from '../../../engine/facts.ts';
import { draftTooLarge } from '../../../engine/pointer-writer.ts';
import type { Target } from '../../../engine/target.ts';
import { unreviewedRescues } from '../../../lead/held.ts';
import { pointerProblems, renderings, rescueProblem } from '../../../lead/idle-pointer.ts';
import { targetNotAllowed } from '../../../release/allowed-targets.ts';
import type { Deps } from '../../../release/deps.ts';
import type { Opened } from '../../../release/open.ts';
import { otherState } from '../../../release/other-state.ts';
import { groupOf, modesOf, notedPlaces } from '../../../release/state-dir.ts';
import type { Reading } from '../../../routers/router.ts';
import { attend, type DoctorCheck, fail, ok, warn } from './check.ts';

const FEWER_SERVERS = 'Keep only the places of this service in the backend; move the other servers to a backend of their own.';

const ELSEWHERE = 'Put the state on a local disk: set stateDir in the config, KVDEPLOY_STATE_DIR or --state-dir.';

/** The folder, the disk under it, and whether break-glass would find it. */
export function folderChecks({ scope, stateDir, config }: Opened, deps: Deps): readonly DoctorCheck[] {
  const { fs } = deps.io;
  const modes = modesOf(groupOf(config, deps.io));
  // Throws where a folder is a link, or another user could write it.
  const exists = stateDirExists(stateDir, [scope.tenant, scope.environment, scope.service, 'pointer'], fs, modes);
  const disk = nearestFolder(stateDir, deps.io);
  const { kind, name } = filesystemOf(disk, fs);
  const problem = diskProblem(disk, fs);
  const open = (fs.statSync(disk).mode & 0o007) !== 0 && exists;
  const where = exists ? stateDir : `${stateDir} (nothing of this service is there yet)`;
  const disks = {
    volatile: () => fail('state disk', `${where} is on ${name}: a restart loses the rollback path`, ELSEWHERE),
    unsure: () => warn('state disk', `${where} is on ${name}, whose promises depend on another machine`, ELSEWHERE),
    durable: () => ok('state disk', `${where} is on ${name}`),
  };
  return [
    disks[kind](),
    problem === undefined
      ? ok('state keeps', `a test file in ${disk} was written, linked, flushed and removed`)
      : fail('state keeps', problem, 'Free some space, or let this user write there.'),
    ...(open ? [warn('state modes', `others can read ${stateDir}`, `chmod o-rwx ${stateDir}`)] : []),
    ...(exists ? [placeCheck(stateDir, deps)] : []),
  ];
}

function placeCheck(stateDir: string, deps: Deps): DoctorCheck {
  const noted = notedPlaces(deps);
  if (noted.includes(deps.io.fs.realpathSync(stateDir)) || noted.includes(stateDir))
    return ok('state found', 'break-glass finds this state without a config');
  const found = 'without a config, break-glass as this user does not find this state';
  return warn('state found', found, `The next rollout records it; until then, break-glass needs --state-dir ${stateDir}`);
}

/** How far the ledger goes, and how long it took to verify it. */
export function ledgerCheck(opened: Opened, took: { readonly ms: number; readonly tornBytes: number }): DoctorCheck {
  const { entries, flags } = opened;
  if (entries.length === 0)
    return warn('ledger', 'no entries yet: nothing was ever adopted or promoted here', `kvdeploy adopt ${flags}`);
  const found = `the chain of ${entries.length} entries verifies (${(took.ms / 1000).toFixed(2)} s)`;
  if (took.tornBytes === 0) return ok('ledger', found);
  const torn = `${found}, except for ${took.tornBytes} bytes that a crash left`;
  return warn('ledger', torn, 'Nothing to do: the next claim sets them aside.');
}

/** Who leads, and whether someone watches the open rollout. */
export function leaderCheck(opened: Opened, deps: Deps): DoctorCheck {
  const { history, flags } = opened;
  const open = openRollout(history);
  const carryOn = `kvdeploy resume ${flags}   or roll back: kvdeploy abort ${flags}`;
  if (history.leader === null) {
    if (open === null) return ok('leader', 'no one leads, and no rollout is open');
    return warn('leader', `rollout ${open.plan.id} is ${open.phase}, and no one watches it`, carryOn);
  }
  const { by, actor, command } = history.leader.claim;
  const who = `${actor}, pid ${by.pid} on ${by.host}, leads since ${history.leader.since} (${command})`;
  const seen = deps.io.lookFor(claimedOf(history.leader.claim, opened));
  if (seen.is === 'unsure')
    return warn('leader', `${who}; cannot see from here whether it is running: ${seen.why}`, 'Look where it runs.');
  if (seen.is === 'running') return ok('leader', `${who} and is running`);
  const fix = open === null ? 'Nothing to do: the next command takes over.' : carryOn;
  return warn('leader', `${who}, but that process is gone`, fix);
}

/** Whether the target is this state's to drive. */
export function markCheck({ marking, flags }: Opened, deps: Deps): DoctorCheck {
  const { obstacle, doubt } = marking;
  if (obstacle !== null) {
    const { message, hint } = otherState(obstacle, flags, deps.io);
    return fail('other state', message, hint);
  }
  if (doubt === null) return ok('other state', 'no marker of another state lies at the target');
  return warn('other state', `not verified that no other state drives this target: ${doubt}`, 'kvdeploy explain OTHER_STATE');
}

/** Whether a rescue waits for its review. */
export function holdCheck(opened: Opened, deps: Deps): DoctorCheck {
  const review = `Review it, then run: kvdeploy reconcile ${opened.flags} --reason "…"`;
  const hold = readHold(opened.pointerDirs, deps.io.fs);
  if (hold !== undefined) return attend('hold', hold.text, review);
  const { rescues, damaged } = unreviewedRescues(opened, deps);
  const [doubtful] = rescues;
  if (doubtful !== undefined) {
    const state = doubtful.outcome?.result ?? 'in doubt: its outcome was never recorded';
    const begun = doubtful.intent?.at ?? 'at an unknown time';
    return attend('hold', `there is no hold, but a rescue begun ${begun} is ${state}`, review);
  }
  const [line] = damaged;
  if (line !== undefined)
    return warn('hold', `no hold; a record of break-glass is damaged: ${line.file}:${line.line}: ${line.why}`, review);
  return ok('hold', 'no hold is set, and no break-glass run needs a review');
}

/** The target as far as it answered. */
export interface Seen {
  readonly target: Target;
  readonly reading: Reading;
}

/** `seen` null: the rollback path is not rendered again, which is a warning. */
export function pointerChecks(opened: Opened, seen: Seen | null, deps: Deps): readonly DoctorCheck[] {
  const { history, ledgerHead, scope, flags } = opened;
  const knownGood = rescueGoal(history);
  const fresh =
    knownGood === null || seen === null
      ? null
      : renderings(opened, { ...seen, history, knownGood, ledgerHead, why: 'rendered-again' }, deps);
  const tooLarge = fresh === null || seen === null ? undefined : draftTooLarge(fresh[0], seen.reading);
  const size = tooLarge === undefined ? [] : [fail('pointer', `it could not be written again: ${tooLarge}`, FEWER_SERVERS)];
  const renew = knownGood === null ? `kvdeploy adopt ${flags}` : `kvdeploy pointer verify --renew ${flags}`;
  const uncompared = knownGood === null ? 'the ledger names no known-good build' : 'the router did not answer';
  const each = opened.pointerDirs.flatMap((dir, index) => {
    const name = index === 0 ? 'pointer' : `pointer copy ${index}`;
    const [problem] = pointerProblems(dir, fresh, scope, deps.io);
    const { newest } = readPointers(dir, deps.io.fs, scope);
    if (problem !== undefined || newest === null) return [fail(name, `${dir}: ${problem?.why ?? 'there is no pointer'}`, renew)];
    const age = msText(Math.max(0, deps.io.now() - Date.parse(newest.writtenAt)));
    const text = `generation ${newest.generation} in ${dir} verifies, ${age} old, and restores ${shortGuid(newest.knownGood.build.guid)}`;
    const pointer =
      fresh === null
        ? warn(name, `${text}; not compared with the current target: ${uncompared}`, 'Fix that, then run doctor again.')
        : ok(name, `${text}; rendered again for the current target, it is the same`);
    const rescue = rescueProblem(dir, deps.io);
    return [
      pointer,
      ...namesCheck(newest),
      rescue === undefined ? ok(name, 'break-glass.mjs is next to it, as installed') : warn(name, rescue, renew),
    ];
  });
  return [...size, ...each];
}

/** A rollback path that needs DNS is named; nothing where every address is a number or a file. */
export function namesCheck({ knownGood, addresses }: Pointer): readonly DoctorCheck[] {
  const hosts = hostsOfChanges(knownGood.changes);
  if (hosts.length === 0) return [];
  const kept = hosts.map((host) => `${host} (the pointer keeps ${addresses[host]?.join(', ') ?? 'no address for it'})`);
  const fix =
    'Give the router by an IP address or a UNIX socket. For new addresses in the pointer: kvdeploy pointer verify --renew';
  return [warn('names', `the rollback path needs a host name to be resolved (DNS): ${kept.join('; ')}`, fix)];
}

/** Whether break-glass obeys the pointer where others can write the state; nothing to say where no one else can. */
export function allowanceCheck(opened: Opened, seen: Seen | null, deps: Deps): readonly DoctorCheck[] {
  const known = rescueGoal(opened.history);
  if (seen === null || known === null) return [];
  const problem = targetNotAllowed(opened, [known.build], seen, deps);
  return problem === undefined ? [] : [fail('machine file', `TARGET_NOT_ALLOWED: ${problem.message}`, problem.fix)];
}
