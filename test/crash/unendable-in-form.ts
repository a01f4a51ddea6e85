/** The test of one form of the rounds with a frozen leader that nobody can end. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { sweep } from './fault-sweep.ts';
import { buildStopper } from './stopper.ts';
import { mayContain, type Wake, type Woken, wakeUp } from './unendable.ts';

/** They wait nearly all the time. */
const LANES = 4;
/** Of HAProxy (`stats timeout`), and what it takes besides to read back and to be seen here. */
const IDLE_MS = 10_000;
const SLACK_MS = 3000;

/** `rounds` of each of these. */
export function wakeThemUp(name: string, wakes: readonly Wake[], rounds: number): void {
  it('a leader frozen in another container makes its last change; the second application corrects it in the idle timeout', {
    timeout: 600_000,
  }, async () => {
    if (!mayContain(wakes.length * rounds)) return;
    const began = performance.now();
    const stopper = buildStopper();
    const points = Array.from({ length: rounds }, (_, round) => wakes.map((wake) => ({ wake, nth: 2 + (round % 2) }))).flat();
    const standing: number[] = [];
    const faults = await sweep(points, LANES, async ({ wake, nth }) => {
      const woken = await wakeUp(wake, stopper, nth);
      if (woken.stale !== null) standing.push(woken.stale.ms);
      const wrong = faultsOf(wake, woken);
      return wrong.length === 0
        ? undefined
        : `${wake.by}, ${wake.wakes}, shift ${nth}: ${wrong.join('; ')}\n${woken.back.stderr}\n${woken.said}`;
    });
    const seconds = (performance.now() - began) / 1000;
    const longest = Math.round(Math.max(0, ...standing));
    console.log(`${points.length} leaders that nobody ended, ${standing.length} stale changes, the longest stood ${longest} ms`);
    const what = 'leaders in another container, frozen before a change to HAProxy and woken after an abort or break-glass';
    recordReliability({ name, what, points: points.length, seconds, seed: null, failures: faults.length });
    expect(faults).toEqual([]);
    // HAProxy may pass over a line whose sender, two seconds late, hangs up at once. Break-glass is quicker than that.
    const due = points.filter(({ wake }) => wake.by === 'break-glass' && wake.wakes === 'in time').length;
    expect(standing.length).toBeGreaterThanOrEqual(due / 2);
  });
}

function faultsOf({ by, wakes }: Wake, { back, stale, said, split }: Woken): string[] {
  const faults: string[] = [];
  const must = (holds: boolean, what: string) => void (holds || faults.push(what));
  // Whoever cannot see whether a runner is left cannot promise that nothing comes after.
  must(back.exitCode === (by === 'abort' ? 0 : 5), `it ended with ${back.exitCode}`);
  must(stale === null || wakes === 'in time', `the stale change is ${JSON.stringify(stale)}`);
  must((stale?.ms ?? 0) < IDLE_MS + SLACK_MS, `the stale change stood for ${stale?.ms} ms`);
  must(JSON.stringify(split) === '{"blue":100}', `in the end the split is ${JSON.stringify(split)}`);
  if (by === 'break-glass')
    must(/may still be running: it runs in another pid namespace/.test(back.stderr), 'it does not say that the runner is left');
  must(/"type":"result".*"ok":false/.test(said), 'the frozen one believes that it succeeded');
  return faults;
}
