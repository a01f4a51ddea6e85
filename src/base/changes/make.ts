/** Makes changes, the same way for every rollout and for break-glass. Must send nothing that `allowed` refuses. */
import { replaceFile } from '../durable/durable-file.ts';
import { withoutMaster } from '../nginx/nginx-workers.ts';
import { safeLine } from '../text.ts';
import { type Allowed, type Change, elsewhereFor, type Outside, permit, type Request, type Run, type Socket } from './change.ts';
import { prepare } from './prepare.ts';

/**
 * Makes one change; making it again changes nothing more. Resolves only when it is done: the file is durable, the request was
 * answered as expected, the program exited 0, or the socket reported no error. Throws NotAllowed if `allowed` returned a
 * reason (nothing was sent), otherwise an Error that says what went wrong.
 */
export async function make(change: Change, outside: Outside, allowed: Allowed): Promise<void> {
  const there = elsewhereFor(change, outside);
  if (there !== undefined) {
    await there.ask({ do: 'make', change }, allowed);
    return;
  }
  switch (change.kind) {
    case 'write-file':
      return replaceFile(change.path, change.content, outside.fs, { permit: () => permit(allowed) });
    case 'request':
      return makeRequest(change, outside, allowed);
    case 'run':
      return makeRun(change, outside, allowed);
    case 'socket':
      return makeSocket(change, outside, allowed);
  }
}

async function makeRequest(change: Request, outside: Outside, allowed: Allowed): Promise<void> {
  const { asking, hide } = await prepare(change, outside);
  const answer = await outside.http(asking, allowed);
  if (change.expect.includes(answer.status)) return;
  const said = excerpt(hide(answer.body));
  throw new Error(`${change.method} ${change.url} answered ${answer.status}, expected ${change.expect.join(' or ')}${said}`);
}

async function makeRun(change: Run, outside: Outside, allowed: Allowed): Promise<void> {
  const program = change.argv[0] ?? '';
  const answer = await outside.run(change.argv, change.timeoutMs, allowed, change.stdin);
  if (answer.exitCode === 0) return;
  const cure = withoutMaster(answer.stderr, outside.fs);
  throw new Error(`${program} exited with ${answer.exitCode}${excerpt(answer.stderr)}${cure}`);
}

async function makeSocket(change: Socket, outside: Outside, allowed: Allowed): Promise<void> {
  if (change.commands.some((command) => /[\r\n\0]/.test(command))) throw new Error('a socket command must be one line');
  const answer = await outside.socket(change.address, change.commands.join('; '), change.timeoutMs, allowed);
  if (change.saveTo === undefined) {
    if (answer.trim() !== '') throw new Error(`${change.address} refused${excerpt(answer)}`);
    return;
  }
  if (answer.trim() === '')
    throw new Error(`${change.address} returned an empty answer, so nothing was saved to ${change.saveTo}`);
  replaceFile(change.saveTo, answer, outside.fs, { permit: () => permit(allowed) });
}

function excerpt(text: string): string {
  const plain = safeLine(text.trim());
  if (plain === '') return '';
  return `: ${plain.length > 200 ? `${plain.slice(0, 200)}…` : plain}`;
}
