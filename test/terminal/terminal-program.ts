/** A small program for the tests on a pseudo-terminal: plays a rollout through the real report, or asks one question. */
import { setTimeout as sleep } from 'node:timers/promises';
import { nodeIo } from '../../src/io.ts';
import { askName, askYes } from '../../src/terminal/ask.ts';
import { createReport, reportOptions } from '../../src/terminal/report.ts';
import { phase, poll, result, started, traffic } from './rollout-lines.ts';

const [what] = process.argv.slice(2);

async function play(end: 'close' | 'exit' | 'signal' | 'throw' | 'long'): Promise<void> {
  const report = createReport(
    reportOptions({ json: false, quiet: false, verbose: false, colour: undefined }, process, process.env, nodeIo),
  );
  report.line(started);
  report.line(phase('baking', 1));
  report.line(traffic(5));
  for (let seconds = 1; seconds <= (end === 'long' ? 500 : 50); seconds += 1) {
    report.line(poll({ seconds, requests: seconds * 10 }));
    await sleep(20);
    if (seconds === 25) report.line({ type: 'note', level: 'warning', message: 'someone else looked at it' });
  }
  if (end === 'exit') process.exit(0);
  if (end === 'throw') throw new Error('a bug');
  if (end === 'signal') process.kill(process.pid, 'SIGTERM');
  if (end === 'signal') await sleep(5000);
  report.line(phase('done', 2, 60));
  report.line(result());
  report.close();
}

if (what === 'yes') console.log(`answer ${await askYes('Move production?')}`);
else if (what === 'name') console.log(`answer ${await askName('Type the environment:', 'production')}`);
else await play(what as 'close');
