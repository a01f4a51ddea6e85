/** Programs that stop by themselves in the worst moment: after their last look at claim and hold, before the change reaches the router. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../fresh-folder.ts';
import { isStopped, until } from '../servers/program.ts';

/** Builds what stops them; returns its file. */
export function buildStopper(): string {
  const file = join(freshFolder(), 'stopper.so');
  execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-o', file, join(import.meta.dirname, 'stopper.c'), '-ldl']);
  return file;
}

/** Environment variables that stop a program before its `nth` change of this router. */
export function stopping(stopper: string, router: 'local' | 'haproxy', nth: number): Readonly<Record<string, string>> {
  const before = router === 'haproxy' ? 'set server ' : '/routes-production.json';
  return { LD_PRELOAD: stopper, STOP_BEFORE: before, STOP_AT: String(nth) };
}

/** Waits until every thread of the process has stopped. */
export async function stopped(pid: number): Promise<void> {
  await until(`process ${pid} to stop`, () => (stateOf(pid) === 'T' && isStopped(pid) ? true : undefined), 20_000);
}

/** Starts a program in a pid namespace of its own, as in a container. Not as its first process: that one cannot be stopped from inside. */
export const IN_CONTAINER = ['unshare', '--kill-child', '--pid', '--fork', '--mount-proc', 'sh', '-c', '"$@"; exit $?', 'sh'];

/** The pid out here of what was started in a container by `unshare`, whose pid is given. */
export function contained(pid: number): Promise<number> {
  const childrenOf = (parent: number) =>
    readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
  return until('the program in its container', () => {
    const [init] = childrenOf(pid);
    return init === undefined ? undefined : childrenOf(init)[0];
  });
}

/** proc(5): the third field of its stat. */
function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] ?? '';
  } catch (error) {
    throw new Error(`process ${pid} ended before it stopped`, { cause: error });
  }
}
