/** Forecasts: the limit that no rule beats, and what our gate will take at this traffic. */
import { describe, expect, it } from 'vitest';
import { comparisonOf } from '../../../../src/core/gates/comparison.ts';
import { requestsToRuleOut } from '../../../../src/core/gates/evidence/non-inferiority.ts';
import { detection, forecast } from '../../../../src/core/gates/verdict/forecast.ts';
import { ERRORS, settingsOf } from './judged.ts';

const SETTINGS = settingsOf();
const TRAFFIC = { requestsPerSecond: 1000, share: 0.01, stableRate: 0.001 };
const found = (rate: number, floorMs: number, settings = SETTINGS) =>
  detection(settings, { metric: settings.metrics[0] ?? ERRORS, weight: 1 }, { traffic: TRAFFIC, rate, floorMs });

/**
 * What no rule can beat: any that calls a good build bad with chance alpha at most, and surely finds one that fails at `rate`, needs
 * ln(1/alpha) / KL(rate, tolerated rate) requests of the candidate on average, even knowing the stable rate (Wald 1945). Infinity where
 * `rate` is tolerated. Not rounded, except that nothing is found before one request failed.
 */
function informationLimit(rate: number, tolerated: number, alpha: number): { requests: number; badRequests: number } {
  if (rate <= tolerated) return { requests: Number.POSITIVE_INFINITY, badRequests: Number.POSITIVE_INFINITY };
  const part = (p: number, q: number) => (p === 0 ? 0 : p * Math.log(p / q));
  const requests = -Math.log(alpha) / (part(rate, tolerated) + part(1 - rate, 1 - tolerated));
  return { requests: Math.max(requests, 1 / rate), badRequests: Math.max(1, rate * requests) };
}

describe('the information limit', () => {
  it.each([
    [0.01, 0.01, 327, 3.27],
    [0.05, 0.01, 31.2, 1.56],
    [0.2, 0.01, 5.2, 1.04],
    [0.01, 0.05, 213, 2.13],
    [0.01, 0.001, 491, 4.91],
  ])('the information limit for %f failing at alpha %f is %f requests, %f of them bad', (rate, alpha, requests, bad) => {
    const limit = informationLimit(rate, 0.001, alpha);
    expect(Math.abs(limit.requests / requests - 1)).toBeLessThan(0.01);
    expect(Math.abs(limit.badRequests / bad - 1)).toBeLessThan(0.01);
  });

  it('the information limit is one failed request at least, and never reached by what is tolerated', () => {
    expect(informationLimit(1, 0.001, 0.01)).toEqual({ requests: 1, badRequests: 1 });
    expect(informationLimit(0.001, 0.001, 0.01).requests).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('a forecast', () => {
  it('a forecast grows with the interval of the source: a build that fails everything costs one poll', () => {
    expect(found(1, 15_000)).toEqual({ requests: 150, badRequests: 150, afterMs: 15_000, polls: 1 });
    expect(found(1, 5000)?.badRequests).toBe(50);
    expect(found(1, 0)?.badRequests).toBe(10);
  });

  it('a forecast of 1 %, 5 % and 20 % failing is a handful of bad requests, and of what is tolerated none', () => {
    const bad = [0.01, 0.05, 0.2].map((rate) => found(rate, 15_000)?.badRequests ?? Number.POSITIVE_INFINITY);
    expect(bad[0]).toBeLessThanOrEqual(15);
    expect(bad[1]).toBeLessThanOrEqual(15);
    expect(bad[2]).toBeLessThanOrEqual(30);
    expect(found(0.0015, 15_000)).toBeUndefined();
  });

  it('a forecast says about how many requests a healthy build needs before the next step', () => {
    const independent = settingsOf({}, { dispersion: 1 });
    // Where nothing fails, ln 20 over the harm is the floor; the mixture costs a little more.
    const floor = requestsToRuleOut(independent, independent.metrics[0] ?? ERRORS, 0.01, 0);
    expect(floor).toBeGreaterThan(299);
    expect(floor).toBeLessThan(450);
    const needed = requestsToRuleOut(SETTINGS, ERRORS, 0.01, 0);
    expect(needed / floor).toBeCloseTo(4, 1);
    expect(requestsToRuleOut(SETTINGS, { ...ERRORS, limit: null }, 1, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(requestsToRuleOut(SETTINGS, ERRORS, 0, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('a forecast names everything that the gate reverts for, and of the bounds of latency the first and the last', () => {
    const metrics = ['errors', '4xx', 'slower than 0.005s', 'slower than 0.1s', 'slower than 1s'];
    const countable = { metrics, slices: {}, countsTraffic: true, seesCrashes: true, lagMs: 0 };
    const gate = { name: 'errors', source: 'prometheus', settings: {}, compare: {} };
    const comparison = comparisonOf([gate], {}, new Map([['errors', countable]]));
    const traffic = { requestsPerSecond: 100, stableRate: 0 };
    expect(forecast('errors', { comparison, traffic, share: 0.5, floorMs: 1000 })).toContain(
      'it also rolls back for: 4xx, slower than 0.005s to 1s, traffic, restarts',
    );
  });

  it('a forecast for little traffic says how long it takes, and which first step or gate decides sooner', () => {
    const countable = { metrics: ['errors'], slices: {}, countsTraffic: true, lagMs: 0 };
    const gate = { name: 'errors', source: 'prometheus', settings: {}, compare: {} };
    const comparison = comparisonOf([gate], {}, new Map([['errors', countable]]));
    const said = (requestsPerSecond: number | undefined, share: number) => {
      const traffic = requestsPerSecond === undefined ? undefined : { requestsPerSecond, stableRate: 0 };
      return forecast('errors', { comparison, traffic, share, floorMs: 1000 }).find((text) => text.includes('use ')) ?? '';
    };
    expect(said(0.02, 0.01)).toMatch(
      /^at 0\.02 requests per second this gate decides in about 89 days; use a first step of 50 % with compare: \{ ruleOut: \{ plus: 1% \} \} \(about 2 days\), or a fixed limit with few requests and probes of both builds: \[\{ name: errors, max: 5%, minRequests: 20 \}/,
    );
    expect(said(10, 0.01)).toMatch(/decides in about 4 hours; use a first step of 5 % with .* \(about 5\dm\d+s\), or/);
    expect(said(100, 0.01)).toBe('');
    expect(said(undefined, 0.01)).toMatch(/no traffic just now.*use a fixed limit with few requests and probes of both builds/);
  });
});

describe('the forecast for members of a place', () => {
  const forecastOf = (members: readonly string[]) => {
    const countable = { metrics: ['errors'], slices: {}, members, countsTraffic: true, lagMs: 0 };
    const gate = { name: 'errors', source: 'haproxy', settings: {}, compare: {} };
    const comparison = comparisonOf([gate], {}, new Map([['errors', countable]]));
    return forecast('errors', { comparison, traffic: { requestsPerSecond: 100, stableRate: 0.001 }, share: 0.1, floorMs: 1000 });
  };

  it('the plan says how long one bad member of ten takes to be found, and a good one to be judged', () => {
    const [line] = forecastOf(Array.from({ length: 10 }, (_, index) => `member green-${index + 1}`)).filter((one) =>
      one.includes('members'),
    );
    expect(line).toMatch(/^each of 10 members is judged by itself; of one with an equal part of the requests /);
    const [, whole, bad] = /100 % is detected after (\d+) bad requests .*20 % is detected after (\d+) bad/.exec(line ?? '') ?? [];
    expect(Number(whole)).toBeLessThanOrEqual(12);
    expect(Number(bad)).toBeLessThanOrEqual(12);
    expect(line).toMatch(/a good one needs about \d+ requests of its own \(\d+m/);
  });

  it('a plan for one member says nothing of members', () => {
    expect(forecastOf(['member green']).join()).not.toMatch(/members/);
  });
});
