/** `status --watch`: looks again every second. On a terminal it repaints, in a pipe it says what changed. Changes nothing. */
import { scopeText } from '../../../core/scope.ts';
import { type Deps, done, type Outcome } from '../../../release/deps.ts';
import type { Opened } from '../../../release/open.ts';
import { createRepaint } from '../../../terminal/live.ts';

/** What one look at a scope gave, for machines and for people. */
export interface Look {
  readonly document: object;
  readonly text: string;
  /** One line, the same as long as nothing changed. */
  readonly summary: string;
}

const EVERY_MS = 1000;

/** Repeats until a signal, or until no one reads standard output any more. */
export async function watchStatus(opened: Opened, look: () => Promise<Look>, deps: Deps): Promise<Outcome> {
  const ended = new AbortController();
  const end = () => ended.abort();
  const stopListening = deps.onSignal(end);
  // A closed pipe is noticed only when something is written to it.
  process.stdout.once('error', end).once('close', end);
  const show = showing(opened, deps);
  try {
    while (!ended.signal.aborted) {
      show(await look());
      await deps.io.sleep(EVERY_MS, ended.signal);
    }
  } finally {
    stopListening();
    process.stdout.off('error', end).off('close', end);
  }
  return done('');
}

function showing(opened: Opened, deps: Deps): (look: Look) => void {
  let last = '';
  const changed = (now: string) => {
    const isNew = now !== last;
    last = now;
    return isNew;
  };
  if (deps.globals.json === true)
    return ({ document }) => {
      if (changed(JSON.stringify(document))) deps.line({ type: 'document', name: 'status', data: document });
    };
  const clock = () => new Date(deps.io.now()).toISOString();
  if (process.stdout.isTTY && deps.io.env('TERM') !== 'dumb') {
    const repaint = createRepaint(process.stdout);
    return ({ text }) => repaint(`${text}\n  looked at   ${clock()}; Ctrl-C ends`);
  }
  return ({ summary }) => {
    if (changed(summary)) deps.print(`${clock()}  ${scopeText(opened.scope)}  ${summary}`);
  };
}
