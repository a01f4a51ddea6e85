import { describe, expect, it } from 'vitest';
import { type ComparedGate, type Countable, comparisonOf } from '../../../src/core/gates/comparison.ts';
import { gateSettingsSchema } from '../../../src/core/gates/gate-settings.ts';

const GATE: ComparedGate = { name: 'errors', source: 'haproxy', settings: {}, compare: {} };
const SEEN: Countable = { metrics: ['errors', '401', 'slower than 0.5s'], slices: {}, countsTraffic: true, lagMs: 0 };

const made = (gates: readonly ComparedGate[], seen: readonly Countable[], limits = {}) =>
  comparisonOf(gates, limits, new Map(gates.map(({ name }, index) => [name, seen[index] ?? SEEN])));
const metricsOf = (gates: readonly ComparedGate[], ...seen: readonly Countable[]) => made(gates, seen).settings.metrics;

describe('a comparison', () => {
  it('a comparison shares its evidence out completely, and is one that the ledger takes', () => {
    const { settings } = made([GATE], [{ ...SEEN, slices: { eu: 900, us: 100 }, countsProcesses: true }]);
    const weights = settings.metrics.flatMap(({ weight, slices }) => [weight, ...slices.map((slice) => slice.weight)]);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 12);
    expect(gateSettingsSchema.parse(JSON.parse(JSON.stringify(settings)))).toEqual(settings);
  });

  it('a comparison rules harm out for errors and statuses; latency, traffic and restarts are evidence only', () => {
    const metrics = metricsOf([GATE], { ...SEEN, countsProcesses: true });
    expect(metrics.map(({ metric, certified }) => [metric, certified])).toEqual([
      ['errors', true],
      ['401', true],
      ['slower than 0.5s', false],
      ['traffic', false],
      ['restarts', false],
    ]);
  });

  it('traffic is compared with the split by the first gate that counts it, whatever stands before it', () => {
    const probe = { ...GATE, name: 'answers', source: 'http-probe' };
    const metrics = metricsOf([probe, GATE], { ...SEEN, countsTraffic: false }, SEEN);
    expect(metrics.filter(({ metric }) => metric === 'traffic').map(({ gate }) => gate)).toEqual(['errors']);
  });

  it('traffic is not compared with the split where clients stay with a build', () => {
    const metrics = metricsOf([{ ...GATE, compare: { traffic: false } }], SEEN);
    expect(metrics.some(({ metric }) => metric === 'traffic')).toBe(false);
  });

  it.each([
    [0, 0.01],
    [0.0001, 0.01],
    [0.01, 0.04],
    [0.0101, 0.041],
    [0.9, 0.5],
  ])('a limit follows what is usual: of %f, %f', (usualRate, limit) => {
    expect(metricsOf([GATE], { ...SEEN, usualRates: { errors: usualRate } })[0]?.limit).toBe(limit);
  });

  it('a limit is 1 % where no one knows what is usual', () => {
    expect(metricsOf([GATE], SEEN)[0]?.limit).toBe(0.01);
  });

  it.each([
    [{ '401': 0 }, 0.1],
    [{ '401': 0.01 }, 0.1],
    [{ '401': 0.05 }, 0.2],
    [{ '401': 0.3 }, null],
    [{}, null],
  ])('the limit of a status next to a stable build follows what is usual: of %o, %s', (usualRates, limit) => {
    const metrics = metricsOf([GATE], { ...SEEN, metrics: ['errors', '401'], usualRates });
    expect(metrics.find(({ metric }) => metric === '401')).toMatchObject({ limit, limitsAlone: false });
  });

  it('a limit is the one that was asked for, whatever is usual', () => {
    expect(metricsOf([{ ...GATE, compare: { limit: 0.02 } }], { ...SEEN, usualRates: { errors: 0.01 } })[0]?.limit).toBe(0.02);
  });

  it('slices are taken by any name, weighed by the root of their traffic, with room for late comers', () => {
    const slices = Object.fromEntries([
      ['constructor', 100],
      ['toString', 400],
      ['__proto__', 900],
    ]);
    const [errors] = metricsOf([GATE], {
      ...SEEN,
      slices: Object.defineProperty({ ...slices }, '__proto__', { value: 900, enumerable: true }),
    });
    expect(errors?.slices.map(({ name }) => name)).toEqual(['__proto__', 'toString', 'constructor', 'other']);
    const [largest, middle, smallest, other] = errors?.slices.map(({ weight }) => weight) ?? [];
    expect((largest ?? 0) / (smallest ?? 1)).toBeCloseTo(3, 9);
    expect(other).toBeCloseTo(middle ?? 0, 9);
  });

  it('a comparison lags as its slowest source does, and has blocks no shorter', () => {
    const { settings } = made([GATE, { ...GATE, name: 'slow' }], [SEEN, { ...SEEN, lagMs: 30_000 }], { blockMs: 5000 });
    expect([settings.lagMs, settings.blockMs]).toEqual([30_000, 30_000]);
  });
});
