/** Splits: they sum to 100, name every member, and are compared without taking something for nothing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SPLIT_TOLERANCE_PERCENT, splitBetween, splitsAgree, splitText } from '../../../src/core/rollout/split.ts';
import type { Guid } from '../../../src/core/scope.ts';
import { guidOf } from '../manifest/builds.ts';

const SEED = Number(process.env.KVDEPLOY_SEED ?? Date.now() % 1_000_000);
const BLUE = { place: 'blue', guid: guidOf(1) };
const GREEN = { place: 'green', guid: guidOf(2) };
const places = fc.constantFrom('blue', 'green', 'old', 'new', 'grey');
const members = fc.array(fc.tuple(places, fc.constantFrom<Guid | null>(null, guidOf(3)))).map((all) => new Map(all));
const percent = fc.oneof(fc.integer({ min: 0, max: 100 }), fc.double({ min: 0, max: 100, noNaN: true }));
const shares = fc
  .uniqueArray(fc.record({ place: places, percent: fc.oneof(percent, fc.constant(0)) }), { selector: (share) => share.place })
  .map((all) => all.toSorted((a, b) => (a.place < b.place ? -1 : 1)));

describe(`a split (seed ${SEED})`, () => {
  it('a split sums to 100, has every member once, and gives nothing to any but the two builds', () => {
    fc.assert(
      fc.property(members, percent, (all, part) => {
        const split = splitBetween(all, GREEN, BLUE, part);
        expect(split.reduce((sum, share) => sum + share.percent, 0)).toBeCloseTo(100, 9);
        expect(split.map((share) => share.place).toSorted()).toEqual([...new Set([...all.keys(), 'blue', 'green'])].toSorted());
        for (const share of split) {
          expect(share.percent).toBe(share.place === 'green' ? part : share.place === 'blue' ? 100 - part : 0);
        }
        expect(split.find((share) => share.place === 'green')?.build).toBe(GREEN.guid);
        expect(split.find((share) => share.place === 'blue')?.build).toBe(BLUE.guid);
      }),
      { seed: SEED },
    );
  });

  it('a split needs no stable build at 100 %', () => {
    expect(splitBetween(new Map([['blue', null]]), GREEN, null, 100)).toEqual([
      { place: 'blue', build: null, percent: 0 },
      { place: 'green', build: GREEN.guid, percent: 100 },
    ]);
  });

  it.each([
    ['a rest that no build gets', () => splitBetween(new Map(), GREEN, null, 99)],
    ['one place for both', () => splitBetween(new Map(), GREEN, { ...BLUE, place: 'green' }, 10)],
    ['more than everything', () => splitBetween(new Map(), GREEN, BLUE, 101)],
    ['less than nothing', () => splitBetween(new Map(), GREEN, BLUE, -1)],
    ['no number', () => splitBetween(new Map(), GREEN, BLUE, Number.NaN)],
  ])('a split is not made of %s', (_what, make) => {
    expect(make).toThrow(/no split gives/);
  });
});

describe('two splits', () => {
  const of = (blue: number, green: number) => [
    { place: 'blue', percent: blue },
    { place: 'green', percent: green },
  ];
  it.each([
    ['the same', of(90, 10), of(90, 10), true],
    ['in another order', of(90, 10), of(90, 10).reverse(), true],
    ['half a point apart', of(90, 10), of(89.5, 10.5), true],
    ['more than half a point apart', of(90, 10), of(89.4, 10.6), false],
    ['a place at 0 % that one does not know', of(100, 0), [{ place: 'blue', percent: 100 }], true],
    ['a place with something that one does not know', of(99.9, 0.1), [{ place: 'blue', percent: 100 }], false],
    ['nothing and however little', of(100, 0), of(99.999, 0.001), false],
    ['a share that is no number', of(100, 0), of(100, Number.NaN), false],
    ['both no number', of(100, Number.NaN), of(100, Number.NaN), false],
    ['everything and nothing', of(100, 0), [], false],
    ['the same shares at swapped places', of(60, 40), of(40, 60), false],
  ])('two splits agree, or do not: %s', (_what, one, other, agree) => {
    expect(splitsAgree(one, other)).toBe(agree);
    expect(splitsAgree(other, one)).toBe(agree);
  });

  it(`two equal splits agree both ways, never 0 with anything else (seed ${SEED})`, () => {
    fc.assert(
      fc.property(shares, shares, (one, other) => {
        expect(splitsAgree(one, one)).toBe(true);
        const agree = splitsAgree(one, other);
        expect(splitsAgree(other, one)).toBe(agree);
        const percentAt = (split: typeof one, place: string) => split.find((share) => share.place === place)?.percent ?? 0;
        for (const { place } of [...one, ...other]) {
          const [a, b] = [percentAt(one, place), percentAt(other, place)];
          if ((a === 0) !== (b === 0) || Math.abs(a - b) > SPLIT_TOLERANCE_PERCENT) expect(agree).toBe(false);
        }
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it('two splits agree exactly, where asked so', () => {
    expect(splitsAgree(of(90, 10), of(89.9, 10.1), 0)).toBe(false);
    expect(splitsAgree(of(90, 10), of(90, 10), 0)).toBe(true);
  });
});

describe('a split in words', () => {
  it.each([
    [[], 'nothing'],
    [[{ place: 'blue', percent: 0 }], 'nothing'],
    [
      [
        { place: 'green', percent: 25 },
        { place: 'blue', percent: 75 },
        { place: 'old', percent: 0 },
      ],
      'green 25 %, blue 75 %',
    ],
    [[{ place: 'blue', percent: 200 / 3 }], 'blue 66.67 %'],
  ])('the split %j is put into words', (split, text) => {
    expect(splitText(split)).toBe(text);
  });

  it('a split in words never calls something 0 %', () => {
    expect(
      splitText([
        { place: 'blue', percent: 99.999 },
        { place: 'green', percent: 0.001 },
      ]),
    ).toBe('blue 99.999 %, green 0.001 %');
  });
});
