/** What the first Ctrl-C at a terminal says and does: it must not promise gates that are watched where nothing was shifted. */
import { describe, expect, it } from 'vitest';
import type { Runner } from '../../src/engine/runner.ts';
import { Wishes } from '../../src/lead/control.ts';
import type { Deps } from '../../src/release/deps.ts';

/** What is printed after Ctrl-C was pressed in that phase, and what is wished. */
function afterCtrlC(phase: string) {
  const said: unknown[] = [];
  let signal: (name: 'SIGINT', times: number) => void = () => undefined;
  const deps = {
    atTerminal: true,
    line: (one: unknown) => said.push(one),
    onSignal: (listener: typeof signal) => {
      signal = listener;
      return () => undefined;
    },
  } as unknown as Deps;
  const wishes = new Wishes(deps);
  const rollout = { phase, step: 0, plan: { steps: [{ percent: 25 }] } };
  const scope = { tenant: 'acme', environment: 'production', service: 'app' };
  wishes.listen({ ledger: { history: { rollout } }, places: { scope } } as unknown as Runner);
  signal('SIGINT', 1);
  return { text: JSON.stringify(said), wishes };
}

describe('the first Ctrl-C at a terminal', () => {
  it.each(['checking', 'watching'])(
    'the first Ctrl-C while a rollout is %s says that nothing was shifted, and leaves',
    (phase) => {
      const { text, wishes } = afterCtrlC(phase);
      expect(text).toMatch(/nothing has been shifted; recording that, then exiting/);
      expect(text).not.toMatch(/gates are still watched/);
      expect(wishes.paused).toBe(true);
    },
  );

  it('the first Ctrl-C while a rollout is baking says that the gates are still watched', () => {
    expect(afterCtrlC('baking').text).toMatch(/paused: baking at 25 %\. .*still watched/);
  });
});
