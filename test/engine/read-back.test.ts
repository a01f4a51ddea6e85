/** Whether traffic is where it was put, by readings whose members come and go. */
import { describe, expect, it } from 'vitest';
import type { Split } from '../../src/core/rollout/split.ts';
import { driftText, ReadBack } from '../../src/engine/read-back.ts';
import type { Target } from '../../src/engine/target.ts';
import { placesOf } from '../../src/routers/places.ts';
import type { Member, Reading } from '../../src/routers/router.ts';

const HALF: Split = ['blue', 'green'].map((place) => ({ place, build: null, percent: 50 }));

function reading(...members: readonly (readonly [name: string, weight: number, parked?: 'parked'])[]): Reading {
  const all = members.map(([name, weight, parked]): Member => {
    const place = name.startsWith('x') ? null : name.replace(/-\d$/, '');
    const where = { name, place, weight, percent: 0, up: true, draining: false, parked: parked !== undefined };
    return { ...where, ask: { address: null }, counters: { served: null } };
  });
  const locations = [{ name: 'edge1', members: all }];
  return { locations, places: placesOf(locations), certainty: 'configured', trouble: [] };
}

const SET = reading(['blue-1', 50], ['green-1', 50]);

describe('members that come and go while a split is set', () => {
  const set = () => {
    const readBack = new ReadBack({} as Target);
    readBack.countFrom(SET);
    return readBack;
  };

  it('a member that was added and is not in rotation yet moves nothing, and is not waited for', () => {
    const now = reading(['blue-1', 50], ['green-1', 50], ['green-2', 100, 'parked']);
    expect(set().agrees(now, HALF)).toBe(true);
    expect(set().regrouped(now)).toBeUndefined();
  });

  it('a member that came into rotation is no drift, and is named', () => {
    const now = reading(['blue-1', 50], ['green-1', 50], ['green-2', 100]);
    expect(set().agrees(now, HALF)).toBe(true);
    expect(set().regrouped(now)).toEqual({ why: 'green-2 came to green at edge1', settled: true });
  });

  it('the split is not set again while another new member still waits', () => {
    const now = reading(['blue-1', 50], ['green-1', 50], ['green-2', 100], ['green-3', 100, 'parked']);
    expect(set().regrouped(now)).toMatchObject({ settled: false });
  });

  it('a member that is gone is no drift, and is named', () => {
    const before = new ReadBack({} as Target);
    before.countFrom(reading(['blue-1', 50], ['blue-2', 50], ['green-1', 50], ['green-2', 50]));
    const now = reading(['blue-1', 50], ['blue-2', 50], ['green-1', 50]);
    expect(before.agrees(now, HALF)).toBe(true);
    expect(before.regrouped(now)).toEqual({ why: 'green-2 of green is gone at edge1', settled: true });
  });

  it('a weight that someone changed is drift, whoever came meanwhile', () => {
    expect(set().agrees(reading(['blue-1', 90], ['green-1', 10], ['green-2', 100]), HALF)).toBe(false);
  });

  it('a server of no place that takes traffic is drift, and the text names it', () => {
    const now = { ...reading(['blue-1', 50], ['green-1', 50], ['x-1', 100]), trouble: ['x-1 belongs to no place'] };
    expect(set().agrees(now, HALF)).toBe(false);
    expect(driftText(HALF, now)).toMatch(/the router reports blue 25 %, green 25 % \(x-1 belongs to no place\)$/);
  });

  it('a runner that never read the split which it set takes members that came for drift', () => {
    const readBack = new ReadBack({} as Target);
    expect(readBack.agrees(reading(['blue-1', 50], ['green-1', 50], ['green-2', 100]), HALF)).toBe(false);
    expect(readBack.regrouped(SET)).toBeUndefined();
  });
});
