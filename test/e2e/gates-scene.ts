/** What the tests of comparing gates share: a small production that decides within seconds, and what its rollout said. */
import { expect } from 'vitest';
import { until } from '../servers/program.ts';
import { type E2eBuild, openSite, PRODUCTION, type Ran, type Site, type SiteOptions } from './site.ts';

/** Quick, since the tests have no minutes: a second for a block, and failures that come one by one. */
export const COMPARE = 'compare: { ruleOut: { plus: 0.5% }, clusters: 1 }';
export const EVIDENCE = '{ dwell: 2s, block: 1s, watch: 1s }';
export const ROUTER_GATE = `[{ name: errors, source: haproxy, ${COMPARE} }]`;
const STEPS = '[{ percent: 50, bake: 1s }, { percent: 100, bake: 1s }]';

/** The candidate, and how to begin its rollout. */
export interface Scene {
  readonly site: Site;
  readonly candidate: E2eBuild;
  promote(): Promise<Ran>;
}

/** Opens a site with visitors and an adopted stable build, acts, closes it. */
export async function inScene(options: SiteOptions, act: (scene: Scene) => Promise<void>): Promise<void> {
  const site = await openSite({
    steps: STEPS,
    gates: ROUTER_GATE,
    evidence: EVIDENCE,
    visitors: 200,
    patience: '20s',
    ...options,
    adopted: false,
  });
  try {
    await until('visitors were counted', () => (site.builds.blue.backend.requests() > 60 ? true : undefined));
    const adopted = await site.run(`adopt ${PRODUCTION}`);
    expect(adopted.exitCode, adopted.stderr).toBe(0);
    const candidate = site.builds.green;
    await act({ site, candidate, promote: () => site.run(`promote --build ${candidate.guid} ${PRODUCTION}`) });
  } finally {
    await site.close();
  }
}

/** The candidate is gone from traffic, and the stable build has all of it. */
export async function expectReverted({ site }: Scene, ran: Ran, why: RegExp): Promise<void> {
  expect([ran.exitCode, ran.result.code], `${ran.result.message}\n${ran.stderr}`).toEqual([4, 'REVERTED']);
  expect(ran.result.message).toMatch(why);
  expect(await site.split()).toEqual({ blue: 100 });
  expect(await site.answers()).toEqual({ blue: 40 });
}

export async function expectPromoted({ site }: Scene, ran: Ran): Promise<void> {
  expect([ran.exitCode, ran.result.code], `${ran.result.message}\n${ran.stderr}`).toEqual([0, null]);
  expect(await site.split()).toEqual({ green: 100 });
}
