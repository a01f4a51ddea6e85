/** The detector for what a burst must not be: more than one event, or the candidate's fault where the stable build shows as much. */
import { feedSurge, openSurge } from '../../src/core/gates/evidence/surge.ts';
import { countCap, limitTemper, openUsual, usualAfterSurge } from '../../src/core/gates/evidence/usual.ts';
import { blockOf } from '../core/gates/verdict/judged.ts';

export async function bursts(): Promise<readonly string[]> {
  const usual = openUsual(0.001);
  let surge = openSurge();
  for (let atMs = 1000; atMs <= 10_000; atMs += 1000) {
    const turn = { atMs, elapsedMs: 1000, bets: true, tolerated: { times: 1.2, plus: 0.0005 }, usual };
    surge = feedSurge(surge, blockOf([40, 100, 360, 900]), turn).surge;
  }
  const surged = usualAfterSurge(usual, 5000);
  return [
    ...(surge.logs.some((log) => log > 0) ? ['wins by an incident that both builds share'] : []),
    ...(countCap(surged, 0.012, 1000) > 1 ? ['adds more for one second than a burst may'] : []),
    ...(limitTemper(surged, 1000) > 0.5 ? ['bets on the limit at each poll'] : []),
  ];
}
