/** The verdict after a rescue: what its checks and the members say together. */
import { describe, expect, it } from 'vitest';
import type { Checked, TableCheck } from '../../src/base/changes/change.ts';
import type { Identified, IdentityCheck } from '../../src/base/changes/identity.ts';
import { judge, outOfService, readBack } from '../../src/break-glass/read-back.ts';
import { GREEN, restoreOf } from './scene.ts';

const tableAt = (address: string): TableCheck => ({
  kind: 'table',
  address,
  command: 'show servers state gw',
  separator: ' ',
  where: {},
  key: 'srv_name',
  rows: {},
  others: [],
  timeoutMs: 1000,
});
const [A, B] = ['/run/a.sock', '/run/b.sock'] as const;
const rowsOf = (serving: readonly string[], out: Readonly<Record<string, string>> = {}): Checked => ({
  ok: true,
  rows: { serving, out: new Map(Object.entries(out)) },
});
const member = (name: string, at?: string): IdentityCheck => ({
  kind: 'http',
  url: `http://${name}:8080/`,
  header: 'x-build',
  equals: GREEN,
  timeoutMs: 1000,
  members: [name],
  ...(at === undefined ? {} : { at }),
});
const RIGHT: Identified = { kind: 'right' };
const SILENT: Identified = { kind: 'silent', why: 'nothing answers' };
const FOREIGN: Identified = { kind: 'gone', why: 'another build answers' };

describe('the verdict on members', () => {
  it('a silent member that the router calls down is named, and not doubted', () => {
    const judged = judge([tableAt(A)], [rowsOf(['g1'], { g2: 'down' })], [member('g1'), member('g2')], [RIGHT, SILENT]);
    expect(judged).toMatchObject({ doubts: [], out: [`g2 is down at ${A}`], serving: 1, locations: [A] });
  });

  it('a silent member that the router sends traffic to is doubted, and the router may yet find it down', () => {
    const judged = judge([tableAt(A)], [rowsOf(['g1', 'g2'])], [member('g1'), member('g2')], [RIGHT, SILENT]);
    expect(judged).toMatchObject({ doubts: ['nothing answers'], locations: [], maySettle: true });
  });

  it('a member of another build is doubted even where the router calls it down', () => {
    const judged = judge([tableAt(A)], [rowsOf(['g1'], { g2: 'down' })], [member('g1'), member('g2')], [RIGHT, FOREIGN]);
    expect(judged).toMatchObject({ doubts: ['another build answers'], locations: [], maySettle: false });
  });

  it('a silent member is doubted where one of two locations still sends it traffic', () => {
    const answers = [rowsOf(['g1'], { g2: 'down' }), rowsOf(['g1', 'g2'])];
    const judged = judge([tableAt(A), tableAt(B)], answers, [member('g1'), member('g2')], [RIGHT, SILENT]);
    expect(judged.doubts).toEqual(['nothing answers']);
  });

  it('members of one name at two locations are excused each by its own location', () => {
    const answers = [rowsOf(['g1'], { g2: 'down' }), rowsOf(['g1', 'g2'])];
    const asked = [member('g1'), member('g2', A), member('g2', B)];
    expect(judge([tableAt(A), tableAt(B)], answers, asked, [RIGHT, SILENT, RIGHT]).doubts).toEqual([]);
    expect(judge([tableAt(A), tableAt(B)], answers, asked, [RIGHT, RIGHT, SILENT]).doubts).toEqual(['nothing answers']);
  });

  it('a member that serves and that no question asks is doubted, but not where the pointer names none', () => {
    const judged = judge([tableAt(A)], [rowsOf(['g1', 'g2'])], [member('g1')], [RIGHT]);
    expect(judged.doubts).toEqual([`nothing says how g2 at ${A} is asked`]);
    const { members: _, ...unnamed } = member('g1') as IdentityCheck & { readonly kind: 'http' };
    expect(judge([tableAt(A)], [rowsOf(['g1', 'g2'])], [unnamed], [RIGHT]).doubts).toEqual([]);
  });

  it('a location that does not answer leaves what the other shows', () => {
    const judged = judge([tableAt(A), tableAt(B)], [rowsOf(['g1']), { unknown: 'no socket' }], [member('g1')], [RIGHT]);
    expect(judged).toMatchObject({ doubts: ['no socket'], locations: [A] });
  });

  it('nothing is merely out of service where no member of its place serves', () => {
    const none: Checked = { ok: false, why: 'parked', rows: { serving: [], out: new Map([['g1', 'in maintenance']]) } };
    const { out, isOut } = outOfService([tableAt(A)], [none]);
    expect([out, isOut(member('g1'))]).toEqual([[], false]);
  });
});

it('a rescue waits longer for a router that checks its members slowly than for a check that is wrong', async () => {
  const within = async (socket: string) => {
    let now = 0;
    const sleep = async (ms: number) => {
      now += ms;
    };
    const clock = { monotonic: () => now, sleep };
    const outside = {
      ...clock,
      socket: async () => socket,
      http: async () => {
        throw new Error('nothing answers');
      },
    };
    const groups = [{ keys: ['g1'], columns: { weight: ['1'] }, idle: [], least: 1 }];
    const restore = restoreOf(GREEN, { checks: [{ ...tableAt(A), groups }], identity: [member('g1')] });
    await readBack(restore, outside as never, clock);
    return now;
  };
  expect(await within('# srv_name weight\ng1 1\n')).toBeGreaterThan(7000);
  expect(await within('# srv_name weight\ng1 2\n')).toBeLessThan(4000);
});
