/** Thousands of members that do not answer must not keep an emergency waiting, or hide what matters. */
import { describe, expect, it } from 'vitest';
import { identifyAll } from '../../src/base/changes/ask-all.ts';
import type { Outside } from '../../src/base/changes/change.ts';
import type { IdentityCheck } from '../../src/base/changes/identity.ts';
import type { Restore } from '../../src/base/pointer/pointer-format.ts';
import { askBefore } from '../../src/break-glass/ask.ts';
import { reachNames } from '../../src/break-glass/names.ts';
import { GREEN, pointerOf, restoreOf, SCOPE } from './scene.ts';

const COUNT = 4000;
const member = (host: string): IdentityCheck => ({
  kind: 'http',
  url: `http://${host}:8080/`,
  header: 'x-build',
  equals: GREEN,
  timeoutMs: 2000,
});
const members = Array.from({ length: COUNT }, (_, at) => member(`10.0.${at >> 8}.${at & 255}`));

/** Whoever asks waits two seconds of a clock of its own for nothing; all who wait at once wait together. */
function deadOutside(over: Partial<Outside> = {}) {
  let now = 0;
  let open = 0;
  let most = 0;
  const outside = {
    monotonic: () => now,
    http: async () => {
      open += 1;
      most = Math.max(most, open);
      const begun = now;
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      now = Math.max(now, begun + 2000);
      throw new Error('nothing answers');
    },
    ...over,
  } as unknown as Outside;
  return { outside, seen: () => ({ now, most }) };
}

const askedFor = (restore: Restore, addresses: Record<string, string[]> = {}) => ({
  scope: SCOPE,
  choice: { restore, pointer: { ...pointerOf({ knownGood: restore, addresses }), generation: 1 }, others: [] },
  environments: [],
  otherCommands: [],
});

describe('members in great number', () => {
  it('thousands of silent members are asked within a limit, so many at once, and none counts as asked that was not', async () => {
    const { outside, seen } = deadOutside();
    const answers = await identifyAll(members, outside);
    expect(answers).toHaveLength(COUNT);
    expect(answers.every(({ kind }) => kind === 'silent')).toBe(true);
    expect(answers.at(-1)).toMatchObject({ why: expect.stringContaining('it was not asked') });
    expect(seen().now).toBeLessThanOrEqual(12_000);
    expect(seen().most).toBeLessThanOrEqual(128);
  });

  it('programs that tell identities run a few at a time', async () => {
    let running = 0;
    let most = 0;
    const run = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return { exitCode: 0, stdout: `{"build":"${GREEN}"}`, stderr: '' };
    };
    const { outside } = deadOutside({ run });
    const programs = members.slice(0, 100).map((): IdentityCheck => {
      return { kind: 'run', argv: ['/bin/look'], json: ['build'], equals: GREEN, timeoutMs: 2000 };
    });
    expect((await identifyAll(programs, outside)).every(({ kind }) => kind === 'right')).toBe(true);
    expect(most).toBeLessThanOrEqual(8);
  });

  it('thousands of doubts are said in a few lines, and one member with another build still refuses', async () => {
    const { outside } = deadOutside();
    const asked = askedFor(restoreOf(GREEN, { identity: members }));
    const doubts = await askBefore(asked, outside);
    expect(doubts).toHaveLength(21);
    expect(doubts.at(-1)).toBe(`and ${COUNT - 20} more`);
    const foreign = {
      ...outside,
      http: (async ({ url }) =>
        url.includes('//10.0.0.70:')
          ? { status: 200, headers: { 'x-build': 'another' }, body: '' }
          : { status: 200, headers: { 'x-build': GREEN }, body: '' }) as Outside['http'],
    };
    await expect(askBefore(asked, foreign)).rejects.toThrow('returned another in x-build');
  });

  it('thousands of names that do not resolve have their kept addresses tried together, and not one after the other', async () => {
    const hosts = Array.from({ length: 1000 }, (_, at) => `member-${at}.internal`);
    const resolve = async () => {
      throw new Error('ENOTFOUND');
    };
    const { outside, seen } = deadOutside({ resolve });
    const asked = askedFor(
      restoreOf(GREEN, { identity: hosts.map(member) }),
      Object.fromEntries(hosts.map((host) => [host, ['10.1.0.1', '10.1.0.2']])),
    );
    const { notes } = await reachNames(asked, outside);
    expect(notes).toHaveLength(21);
    expect(seen().now).toBeLessThanOrEqual(12_000);
    expect(seen().most).toBeGreaterThan(1);
  });
});
