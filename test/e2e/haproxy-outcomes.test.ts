/** Ways of failing that are no 5xx, on a real HAProxy: redirects for everybody, failures that retries hide, answers that take far too long. */
import { expect, it } from 'vitest';
import { COMPARE, expectPromoted, expectReverted, inScene } from './gates-scene.ts';

const GATE = (more: string) => `[{ name: errors, source: haproxy, ${COMPARE}, ${more} }]`;

/** What HAProxy answers with a failure, it asks another server for: clients see no failure. */
const RETRIES = ['retries 3', 'retry-on 500 502 503 conn-failure empty-response', 'option redispatch 1'];

it('a build that sends every client to a sign-in page is rolled back', { timeout: 60_000 }, () =>
  inScene({}, async (scene) => {
    scene.candidate.backend.setStatus(302, 200);
    await expectReverted(scene, await scene.promote(), /3xx: \d+ of \d+ .* vs 0 of/);
  }),
);

it('a build whose failures are hidden by retries to the other server is rolled back', { timeout: 60_000 }, () =>
  inScene({ backendLines: RETRIES }, async (scene) => {
    scene.candidate.backend.setFailPercent(50);
    await expectReverted(scene, await scene.promote(), /errors: \d+ of \d+/);
  }),
);

it('a build whose answers take far longer is given up with the reason, and is not marked bad', { timeout: 60_000 }, () =>
  inScene({ patience: '8s' }, async (scene) => {
    scene.candidate.backend.setSlow({ percent: 100, ms: 400 });
    await expectReverted(
      scene,
      await scene.promote(),
      /unknown for too long: gate latency: its newest \d+ answers took \d+ms on/,
    );
    const plan = await scene.site.run(`plan --env production --build ${scene.candidate.guid} --json`);
    expect(plan.result.code, plan.stderr).not.toBe('BAD_BUILD');
  }),
);

it('a build that is meant to be slow and to redirect is released where the gate says so', { timeout: 60_000 }, () =>
  inScene({ gates: GATE('expect: [3xx], latency: false'), patience: '8s' }, async (scene) => {
    scene.candidate.backend.setSlow({ percent: 100, ms: 150 });
    scene.candidate.backend.setStatus(302, 200);
    await expectPromoted(scene, await scene.promote());
  }),
);
