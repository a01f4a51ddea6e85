/** Seeded: what is read from a spoiled answer is a split, or nothing. */
import { describe, expect, it } from 'vitest';
import { parsePrinted, readSchema, setText } from '../../../src/routers/command/command-protocol.ts';

const SEED = Number(process.env['KVDEPLOY_SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** mulberry32. */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WHOLE = JSON.stringify({
  formatVersion: 1,
  percent: { blue: 66.7, green: 33.3, grey: 0 },
  smallestPercent: 0.1,
  members: { blue: [{ name: 'b1', address: 'http://10.0.0.1:80', up: true }] },
  trouble: [],
});

const PIECES = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '"blue":',
  '"percent":',
  '__proto__',
  'null',
  '-1',
  '1e999',
  '100',
  '0.05',
  '\\u0000',
  ' ',
  'NaN',
];

describe('spoiled answers of a program', () => {
  it(`whatever a program prints is a split that sums to 100 %, or no answer at all (seed ${SEED})`, () => {
    const random = dice(SEED);
    const below = (most: number) => Math.floor(random() * most);
    let read = 0;
    for (let round = 0; round < 30_000; round += 1) {
      let text = WHOLE;
      for (let spoil = below(4); spoil >= 0; spoil -= 1) {
        const [from, length] = [below(text.length + 1), below(4)];
        text = text.slice(0, from) + (random() < 0.5 ? (PIECES[below(PIECES.length)] ?? '') : '') + text.slice(from + length);
      }
      const parsed = parsePrinted(readSchema, text);
      if ('problem' in parsed) {
        expect(parsed.problem).not.toBe('');
        continue;
      }
      read += 1;
      const shares = Object.values(parsed.answer.percent);
      expect(
        shares.every((share) => share >= 0 && share <= 100),
        text,
      ).toBe(true);
      expect(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 100), text).toBeLessThan(1e-3);
      expect(parsed.answer.smallestPercent, text).toBeGreaterThan(0);
      expect(setText('web', parsed.answer.percent, 'drain')).toContain('"percent":');
    }
    // Some must have survived, or nothing was tried.
    expect(read).toBeGreaterThan(100);
  });
});
