/**
 * A process that leads a scope with the real claim and moves traffic as fast as it can, asking claim and hold before each change as
 * the engine does. `turn`: waits until it may lead, once, and shouts when it is not alone. For tests that freeze and race it.
 */
import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { NotAllowed } from '../../src/base/changes/change.ts';
import { make } from '../../src/base/changes/make.ts';
import { releaseClaim, takeClaim, takeLead } from '../../src/engine/claim.ts';
import { type Ports, Watch } from '../../src/engine/runner.ts';
import { openTarget } from '../../src/engine/target.ts';
import { nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { SCOPE } from '../stores/entries.ts';
import { splitOf } from './writings.ts';

const [, , what = '', stateDir = '', argument = ''] = process.argv;
const store = localStore(stateDir, nodeIo);
const alice = { io: nodeIo, store, scope: SCOPE, actor: 'alice' };
const claim = () => takeClaim(alice, what, { takeOver: false });

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Shifts until it is not allowed to any more. */
async function shift(): Promise<void> {
  const led = await takeLead(alice, what, { takeOver: false });
  const target = openTarget(JSON.parse(argument), null, nodeIo);
  const ports = { io: nodeIo, store, places: { scope: SCOPE, stateDir, copies: [] } } as unknown as Ports;
  const { forbidden } = new Watch(ports, led);
  say('leads');
  for (let green = 10; ; green = green === 90 ? 10 : green + 10) {
    try {
      for (const change of target.changes(splitOf(green), 'at-once')) await make(change, nodeIo, forbidden);
    } catch (error) {
      if (error instanceof NotAllowed) return say('stopped');
      say(`failed ${(error as Error).message}`);
    }
  }
}

async function turn(): Promise<void> {
  for (;;) {
    const taken = await claim().catch((error: { code?: string }) => say(error.code ?? String(error)));
    if (taken === undefined) {
      await nodeIo.sleep(20 + Math.random() * 200);
      continue;
    }
    // Whoever else leads now has the file.
    closeSync(openSync(argument, 'wx'));
    await nodeIo.sleep(2);
    unlinkSync(argument);
    await releaseClaim(alice, taken.seq);
    return say('led');
  }
}

await (what === 'turn' ? turn() : shift());
process.exit();
