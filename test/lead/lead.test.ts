/** Leading a rollout as the commands do, on the local router of a simulation. */
import { describe, expect, it } from 'vitest';
import { fold } from '../../src/core/ledger/history.ts';
import type { OutputLine } from '../../src/core/output.ts';
import { takeClaim } from '../../src/engine/claim.ts';
import type { Io } from '../../src/io.ts';
import { Wishes } from '../../src/lead/control.ts';
import { beginNew, lead } from '../../src/lead/lead.ts';
import type { Deps } from '../../src/release/deps.ts';
import type { Opened } from '../../src/release/open.ts';
import { NOT_MARKED } from '../../src/release/other-state.ts';
import { appliedText, parseRoutes, routesText, STATUS_PATH } from '../../src/routers/local/local-routes.ts';
import { localStore } from '../../src/stores/local.ts';
import { putFile } from '../simulator/disk.ts';
import { Process } from '../simulator/process.ts';
import { CANDIDATE, furnish, planOf, storeOf } from '../simulator/rollouts.ts';
import { POINTER_DIR, SCOPE, Simulation, STATE_DIR } from '../simulator/simulation.ts';

const ROUTES = '/srv/routes.json';
const ADDRESSES = { blue: 'http://blue', green: 'http://green' };
const PLAN = planOf({
  router: { kind: 'local', listen: '127.0.0.1:8080', routes: ROUTES, addresses: ADDRESSES },
  members: planOf().members.filter(({ place }) => place !== 'grey'),
  copies: [],
});

/** `kvdeploy serve`, as far as its status goes: it follows the routes file at once. */
function serving(sim: Simulation, io: Io): Io {
  const status = () => {
    const parsed = parseRoutes(String(sim.disk.readFileSync(ROUTES, 'utf8')));
    const split = 'split' in parsed ? parsed.split : [];
    sim.split = Object.fromEntries(split.map(({ place, percent }) => [place, percent]));
    const counts = { served: {}, servedByBuild: {}, problem: null };
    return JSON.stringify({
      formatVersion: 1,
      scope: SCOPE,
      routes: ROUTES,
      addresses: ADDRESSES,
      applied: appliedText(split),
      split,
      ...counts,
    });
  };
  const isStatus = (url: string) => url === `http://127.0.0.1:8080${STATUS_PATH}`;
  return {
    ...io,
    http: (request, allowed) =>
      isStatus(request.url) ? io.sleep(1).then(() => ({ status: 200, headers: {}, body: status() })) : io.http(request, allowed),
  };
}

function depsOf(io: Io, lines: OutputLine[]): Deps {
  const no = async () => false;
  const asks = {
    canAsk: false,
    askName: no,
    askYes: no,
    askText: async () => null,
    onSignal: () => () => undefined,
    atTerminal: false,
  };
  const says = {
    line: (line: OutputLine) => void lines.push(line),
    print: () => undefined,
    write: () => undefined,
    stdin: async () => new Uint8Array(),
    colour: false,
  };
  return { io, globals: {}, cwd: '/', situation: { scope: null, traffic: null }, ...says, ...asks };
}

async function begun(lines: OutputLine[] = []) {
  const sim = furnish(new Simulation({ blue: 100, green: 0 }));
  putFile(
    sim.disk,
    ROUTES,
    routesText([
      { place: 'blue', build: null, percent: 100 },
      { place: 'green', build: null, percent: 0 },
    ]),
  );
  const process = new Process(sim, 11);
  const deps = depsOf(serving(sim, process.io), lines);
  const store = localStore(STATE_DIR, deps.io);
  const history = fold([]);
  const opened: Opened = {
    scope: SCOPE,
    config: null,
    settings: null,
    stateDir: STATE_DIR,
    store,
    entries: [],
    ledgerHead: '0'.repeat(64),
    history,
    claimFile: null,
    pointerDirs: [POINTER_DIR],
    marking: NOT_MARKED,
    flags: '--env production',
    actor: 'alice',
    claims: undefined,
  };
  const go = () =>
    lead(opened, PLAN, deps, { command: 'promote', control: new Wishes(deps), takeOver: false, begin: beginNew(PLAN, history) });
  return { sim, deps, go, store };
}

describe('leading a rollout', () => {
  it('leading a rollout tells each phase, ends as done, and gives the claim back', async () => {
    const lines: OutputLine[] = [];
    const { go, store, sim } = await begun(lines);
    expect(await go()).toMatchObject({ code: null, message: expect.stringMatching(/is the known-good build\.$/) });
    expect(lines.flatMap((line) => (line.type === 'phase' ? [line.phase] : []))).toEqual([
      'checking',
      'shifting',
      'converging',
      'baking',
      'shifting',
      'converging',
      'baking',
      'pointing',
      'done',
    ]);
    expect(sim.split.green).toBe(100);
    expect(fold((await store.read(SCOPE)).entries).leader).toBeNull();
  });

  it('a rollout whose state is lost midway goes back, exits 5, prints the changes and names what is next', async () => {
    const lines: OutputLine[] = [];
    const { go, sim } = await begun(lines);
    sim.after(3000, () => sim.disk.renameSync(STATE_DIR, '/srv/lost'));
    expect(await go()).toMatchObject({
      code: 'STATE_LOST',
      exitCode: 5,
      message: expect.stringMatching(/^The state in .* was lost \(.*is gone.*All traffic was sent to .* and read back\.$/),
      hint: expect.stringMatching(/kvdeploy abort .*kvdeploy adopt /),
    });
    expect(lines).toContainEqual(expect.objectContaining({ message: expect.stringMatching(/^by hand: /) }));
    expect(sim.split.green).toBe(0);
  });

  it('leading a rollout is refused under a hold before it claims anything', async () => {
    const { go, sim, store } = await begun();
    putFile(sim.disk, `${POINTER_DIR}/hold`, 'break-glass was here');
    await expect(go()).rejects.toMatchObject({ code: 'HELD' });
    expect((await store.read(SCOPE)).entries).toEqual([]);
  });

  it('leading a rollout says midway who holds it, where it stopped and what to do, and nothing of its own past', async () => {
    const { go, sim } = await begun();
    sim.after(3000, () => putFile(sim.disk, `${POINTER_DIR}/hold`, 'break-glass was here'));
    expect(await go()).toMatchObject({
      code: 'HELD',
      message: expect.stringMatching(
        /^Traffic in .* must not be shifted: .*hold.* This runner stopped while baking at 10 % and makes no further changes\.$/,
      ),
      hint: expect.stringContaining('kvdeploy reconcile --env'),
    });
  });

  it('leading a rollout says midway who leads it now, with what, and how to see more', async () => {
    const { go, sim } = await begun();
    const other = new Process(sim, 12, { host: 'deploy-2', sees: 'container' });
    sim.after(3000, () =>
      takeClaim({ io: other.io, store: storeOf(other.io), scope: SCOPE, actor: 'bob@deploy-2' }, 'abort', { takeOver: true }),
    );
    expect(await go()).toMatchObject({
      code: 'BUSY',
      message:
        'bob@deploy-2 with abort (pid 12 on deploy-2) leads this rollout now. This runner stopped while baking at 10 % and makes no further changes.',
      hint: 'See its state: kvdeploy status --env production',
    });
  });

  it('leading a rollout says where traffic is once it is over', async () => {
    const { go, deps } = await begun();
    await go();
    expect(await deps.situation.traffic?.()).toMatchObject({ split: [{ place: 'green', build: CANDIDATE, percent: 100 }] });
  });
});
