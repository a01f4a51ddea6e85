/** State, ledger, pointers, plans and config that version 0.1.0 left, an open rollout included, in the hands of the version of today. */
import { renameSync, rmSync } from 'node:fs';
import type net from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CliAnswer } from '../cli/run-cli.ts';
import {
  documentOf,
  guidOf,
  inOldState,
  type OldState,
  ROOT,
  SERVICES,
  type Service,
  SURE,
  saidBefore,
  sayThatProbesAreEnough,
  waitForTurn,
} from './old-state.ts';

let turn: net.Server;
beforeAll(async () => {
  turn = await waitForTurn(240_000);
}, 250_000);
afterAll(() => void turn?.close());

interface Status {
  readonly traffic: { readonly split: unknown };
  readonly trouble: readonly string[];
  readonly drift: string | null;
  readonly knownGood: { readonly guid: string; readonly bad: boolean } | null;
  readonly waysBack: unknown;
  readonly rollout: Rollout | null;
  readonly leader: { readonly host: string; readonly pid: number; readonly actor: string } | null;
  readonly hold: { readonly file: string } | null;
  readonly pointers: unknown;
}
interface Rollout {
  readonly id: string;
  readonly kind: string;
  readonly candidate: string;
  readonly stable: string | null;
  readonly phase: string;
  readonly over: boolean;
  readonly step: number;
  readonly steps: number;
  readonly percent: number;
  readonly changedAt: string | null;
  readonly evidence: Ways | null;
}

/** How far the evidence is on its two ways: `back` and `on` are the words of version 0.1.0. */
type Ways = { readonly at: string } & (
  | { readonly back: number; readonly on: number }
  | { readonly fail: number; readonly pass: number }
);
interface Builds {
  readonly builds: readonly { readonly guid: string; readonly state: string; readonly percent: number; readonly code: string }[];
}

/** What a status means, without the sentences that another version may word otherwise. */
function meaningOf({ traffic, trouble, drift, knownGood, waysBack, rollout, leader, hold, pointers }: Status) {
  return {
    split: traffic.split,
    trouble,
    drift,
    knownGood,
    waysBack,
    rollout: rollout && [rollout.id, rollout.kind, rollout.candidate, rollout.stable, rollout.phase, rollout.over],
    step: rollout && [rollout.step, rollout.steps, rollout.percent, rollout.changedAt],
    leader: leader && [leader.host, leader.pid, leader.actor],
    hold: hold?.file ?? null,
    pointers,
  };
}

async function statusOf(old: OldState, service: Service): Promise<Status> {
  return documentOf((await old.run(service, ['status', '--json'])).json) as Status;
}

/** The exit code and the code of the result, with everything that was said where they are not as expected. */
function expectEnd(answer: CliAnswer, exitCode: number, code: string | null): void {
  const result = answer.json.find(({ type }) => type === 'result') as { code: string | null } | undefined;
  expect([answer.exitCode, result?.code], `${answer.stdout}\n${answer.stderr}`).toEqual([exitCode, code]);
}

interface Evidence {
  readonly fail: number;
  readonly logE: number;
  readonly neededLogE: number;
}

/** The evidence of the comparing gate at every poll, as a run with `--json` told it. */
function evidenceTold({ json }: CliAnswer): readonly Evidence[] {
  return json.flatMap((line) => (line.type === 'poll' ? line.gates.flatMap(({ evidence }) => evidence ?? []) : []));
}

const resume = ['resume', ...SURE, '--json'];
const promote = (service: Service, place: 'blue' | 'green' | 'amber') => [
  ...['promote', '--build', guidOf(service, place), ...SURE, '--json'],
];

describe('what version 0.1.0 left', () => {
  it('the config and manifests of version 0.1.0 have no finding, old names of keys included', () =>
    inOldState([], async (old) => {
      const answer = await old.run('open', ['validate']);
      expect(answer.exitCode, answer.stdout + answer.stderr).toBe(0);
    }));

  it('the state of version 0.1.0 means to status, builds, history and pointer what it meant before', { timeout: 60_000 }, () =>
    inOldState(SERVICES, async (old) => {
      const look = async (service: Service) => {
        const status = await statusOf(old, service);
        expect(meaningOf(status), service).toEqual(meaningOf(saidBefore('status', service) as Status));
        const builds = documentOf((await old.run(service, ['builds', '--json'])).json) as Builds;
        const states = ({ builds: all }: Builds) => all.map(({ guid, state, percent, code }) => [guid, state, percent, code]);
        expect(states(builds), service).toEqual(states(saidBefore('builds', service) as Builds));
        const history = await old.run(service, ['history', '--limit', '1000', '--json']);
        expectEnd(history, 0, null);
        const { entries } = documentOf(history.json) as { entries: { seq: number }[] };
        expect(entries.map(({ seq }) => seq)).toEqual(entries.map((_, index) => index + 1));
        expect(entries.length).toBeGreaterThan(10);
        const lines = (await old.run(service, ['history', '--limit', '1000'])).stdout.split('\n');
        expect(lines.filter((line) => line.includes('tess@deploy-host'))).toHaveLength(entries.length);
        expectEnd(await old.run(service, ['pointer', 'show', '--json']), 0, null);
        expectEnd(await old.run(service, ['pointer', 'verify', '--json']), 0, null);
      };
      await Promise.all(SERVICES.map(look));
    }),
  );

  it('a build that a comparing gate of version 0.1.0 called bad is refused, and the next one has a plan', () =>
    inOldState(['failed'], async (old) => {
      expectEnd(await old.run('failed', promote('failed', 'green')), 3, 'BAD_BUILD');
      old.visit('failed', 100);
      expectEnd(await old.run('failed', ['plan', '--build', guidOf('failed', 'amber'), '--json']), 0, null);
      expect(await old.split('failed')).toEqual({ blue: 100 });
    }));
});

describe('a plan file of version 0.1.0', () => {
  it('a plan file of version 0.1.0 with fixed limits is promoted to its end, since nothing has moved', () =>
    inOldState(['promoted'], async (old) => {
      sayThatProbesAreEnough();
      const answer = await old.run('promoted', ['promote', '--plan', '../written/plan-promoted.json', ...SURE, '--json']);
      expectEnd(answer, 0, null);
      expect(await old.split('promoted')).toEqual({ amber: 100 });
    }));

  it('a plan file of version 0.1.0 with comparing gates is stale, since gates judge more by now', () =>
    inOldState(['failed'], async (old) => {
      old.visit('failed', 100);
      const promotion = ['promote', '--plan', '../written/plan-failed.json', ...SURE, '--max-wait', '3s', '--json'];
      expectEnd(await old.run('failed', promotion), 3, 'STALE_PLAN');
      expect(await old.split('failed')).toEqual({ blue: 100 });
    }));

  it('a plan file of version 0.1.0 is stale once someone has moved on', () =>
    inOldState(['promoted'], async (old) => {
      expectEnd(await old.run('promoted', promote('promoted', 'amber')), 3, 'PROBES_ONLY');
      sayThatProbesAreEnough();
      expectEnd(await old.run('promoted', promote('promoted', 'amber')), 0, null);
      const answer = await old.run('promoted', ['promote', '--plan', '../written/plan-promoted.json', ...SURE, '--json']);
      expectEnd(answer, 3, 'STALE_PLAN');
    }));
});

describe('a rollout that version 0.1.0 left open', () => {
  it(
    'an open rollout of version 0.1.0 goes on from its middle step to its end, and its evidence counts as lost',
    { timeout: 60_000 },
    () =>
      inOldState(['open'], async (old) => {
        const resumed = old.start('open', resume);
        await resumed.waitFor(/"type":"poll"/);
        old.visit('open', 400);
        const answer = await resumed.ended;
        expectEnd(answer, 0, null);
        expect(evidenceTold(answer)[0]?.logE).toBeCloseTo(0, 2);
        expect(evidenceTold(answer)[0]?.neededLogE).toBeCloseTo(Math.log(200), 2);
        expect(answer.json.find(({ type }) => type === 'phase')).toMatchObject({ phase: 'baking', step: 2, percent: 50 });
        expect(await old.split('open')).toEqual({ green: 100 });
        const status = await statusOf(old, 'open');
        expect(status).toMatchObject({ knownGood: { guid: guidOf('open', 'green') }, rollout: { phase: 'done', step: 3 } });
      }),
  );

  it('an open rollout of 0.1.0 rolls back on evidence from now on; its build is bad', { timeout: 60_000 }, () =>
    inOldState(['suspect'], async (old) => {
      const resumed = old.start('suspect', resume);
      await resumed.waitFor(/"type":"poll"/);
      old.failOneOf('suspect', 'green', 4);
      old.visit('suspect', 100);
      const answer = await resumed.ended;
      expectEnd(answer, 4, 'REVERTED');
      const told = evidenceTold(answer);
      expect(told[0]?.fail).toBeCloseTo(0, 2);
      expect(told.at(-1)?.fail).toBe(1);
      expect(await old.split('suspect')).toEqual({ blue: 100 });
      expectEnd(await old.run('suspect', promote('suspect', 'green')), 3, 'BAD_BUILD');
    }),
  );

  it('an open rollout of version 0.1.0 is taken over from a runner that was killed, and ends', { timeout: 60_000 }, () =>
    inOldState(['killed'], async (old) => {
      expectEnd(await old.run('killed', resume), 0, null);
      expect(await old.split('killed')).toEqual({ green: 100 });
      const status = await statusOf(old, 'killed');
      expect(status).toMatchObject({ knownGood: { guid: guidOf('killed', 'green') }, rollout: { phase: 'done' }, leader: null });
    }),
  );

  it('an open rollout of version 0.1.0 is aborted, whether its runner left or was killed', { timeout: 60_000 }, () =>
    inOldState(['open', 'killed'], async (old) => {
      const abort = async (service: Service) => {
        expectEnd(await old.run(service, ['abort', ...SURE, '--json']), 0, null);
        expect(await old.split(service)).toEqual({ blue: 100 });
        const { knownGood, rollout } = await statusOf(old, service);
        expect([knownGood?.guid, rollout?.phase]).toEqual([guidOf(service, 'blue'), 'reverted']);
      };
      await Promise.all([abort('open'), abort('killed')]);
    }),
  );
});

describe('the pointer that version 0.1.0 wrote', () => {
  it('the pointer of version 0.1.0 leads an ordinary rollback to the build before', () =>
    inOldState(['promoted'], async (old) => {
      const rollback = ['rollback', '--to', guidOf('promoted', 'blue'), '--bad', '--reason', 'slow', ...SURE, '--json'];
      expectEnd(await old.run('promoted', rollback), 0, null);
      expect(await old.split('promoted')).toEqual({ blue: 100 });
      expectEnd(await old.run('promoted', promote('promoted', 'green')), 3, 'BAD_BUILD');
    }));

  it('a pointer of 0.1.0 leads break-glass out of a rollout without config or ledger', { timeout: 60_000 }, () =>
    inOldState(['open'], async (old) => {
      rmSync(join(ROOT, 'checkout/kvdeploy.config.yaml'));
      rmSync(join(ROOT, 'state/acme/production/open/ledger'), { recursive: true });
      const rescue = ['rollback', '--break-glass', '--reason', 'sign-in is down', ...SURE, '--json'];
      expectEnd(await old.run('open', rescue, { cwd: '/' }), 0, null);
      expect(await old.split('open')).toEqual({ blue: 100 });
    }),
  );

  it('the pointer of version 0.1.0 leads break-glass from the copy when the state is lost', () =>
    inOldState(['promoted'], async (old) => {
      rmSync(join(ROOT, 'state'), { recursive: true });
      rmSync(join(ROOT, 'second-state'), { recursive: true });
      const to = ['--to', guidOf('promoted', 'blue')];
      const rescue = ['rollback', '--break-glass', ...to, '--reason', 'the disk is gone', ...SURE, '--json'];
      expectEnd(await old.run('promoted', rescue, { cwd: '/' }), 0, null);
      expect(await old.split('promoted')).toEqual({ blue: 100 });
    }));

  it('a rescue by version 0.1.0 holds until reconciled; what it left is bad where the review says so, and the next build is promoted', () =>
    inOldState(['held'], async (old) => {
      sayThatProbesAreEnough();
      for (const words of [promote('held', 'amber'), resume]) expectEnd(await old.run('held', words), 6, 'HELD');
      expectEnd(await old.run('held', ['reconcile', '--bad', '--reason', 'reviewed', ...SURE, '--json']), 0, null);
      expect(await statusOf(old, 'held')).toMatchObject({ hold: null, rollout: { phase: 'rescued', over: true } });
      expectEnd(await old.run('held', promote('held', 'green')), 3, 'BAD_BUILD');
      expectEnd(await old.run('held', promote('held', 'amber')), 0, null);
      expect(await old.split('held')).toEqual({ amber: 100 });
    }));

  it('a pointer that version 0.1.0 exported begins a state on another machine', () =>
    inOldState(['promoted'], async (old) => {
      const other = ['--state-dir', join(ROOT, 'third-state')];
      const words = ['pointer', 'import', '../written/pointer-export.json', ...SURE, ...other, '--json'];
      // The other machine does not see the first one's disk.
      renameSync(join(ROOT, 'state'), join(ROOT, 'state-of-the-first'));
      expectEnd(await old.run('promoted', words), 0, null);
      for (const dir of ['second-state', 'third-state']) {
        const status = await old.run('promoted', ['status', '--state-dir', join(ROOT, dir), '--json']);
        expect(documentOf(status.json)).toMatchObject({ knownGood: { guid: guidOf('promoted', 'green') } });
      }
    }));
});
