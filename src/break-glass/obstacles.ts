/** What would stop a change, as far as that is visible without making it. Must write nothing. */
import { constants } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import type { TargetQuestion } from '../base/changes/change.ts';
import { type Change, elsewhereFor, type Outside, type Request } from '../base/changes/change.ts';
import { prepare } from '../base/changes/prepare.ts';
import type { Fs } from '../base/durable/fs.ts';
import { look } from '../base/durable/open-file.ts';
import { safeLine } from '../base/text.ts';

const { W_OK, X_OK } = constants;

/** HAProxy reads a line of commands into a buffer of this size. */
const LINE_BYTES = 16_000;

/** The space that a saved answer may need; how long it will be is not known before. */
const SAVED_BYTES = 64 * 1024;

/** Why this change would fail; empty if nothing is seen. */
export async function obstacles(change: Change, outside: Outside): Promise<string[]> {
  const there = elsewhereFor(change, outside);
  if (there !== undefined) {
    return there.ask({ do: 'may', change }).then(
      () => [],
      (error: Error) => [error.message],
    );
  }
  switch (change.kind) {
    case 'write-file':
      return fileObstacles(change.path, Buffer.byteLength(change.content), outside.fs);
    case 'request':
      return requestObstacles(change, outside);
    case 'run':
      return programObstacles(change.argv[0] ?? '', outside.fs);
    case 'socket': {
      const bytes = Buffer.byteLength(change.commands.join('; '));
      const long = bytes > LINE_BYTES ? [`the commands for ${change.address} have ${bytes} bytes in one line`] : [];
      return change.saveTo === undefined ? long : [...long, ...fileObstacles(change.saveTo, SAVED_BYTES, outside.fs)];
    }
  }
}

/** A secret that is not set, a PEM file that cannot be read or could be someone else's. */
async function requestObstacles(change: Request, outside: Outside): Promise<string[]> {
  try {
    await prepare(change, outside);
    return [];
  } catch (error) {
    return [(error as Error).message];
  }
}

/** A new file is written next to the old one and renamed over it: what counts is the folder, not the mode of the file. */
function fileObstacles(path: string, bytes: number, fs: Fs): string[] {
  const dir = dirname(path);
  try {
    if (!fs.existsSync(dir)) return [`${dir} does not exist`];
    const file = look(path, fs);
    if (file !== undefined && !file.isFile() && !file.isSymbolicLink())
      return [`${path} cannot be written: it is not a regular file`];
    fs.accessSync(dir, W_OK | X_OK);
    const user = process.geteuid?.() ?? 0;
    const folder = fs.statSync(dir);
    const sticky = (folder.mode & 0o1000) !== 0 && user !== 0 && folder.uid !== user;
    if (file !== undefined && sticky && file.uid !== user)
      return [`${path} cannot be replaced: it belongs to user ${file.uid}, in a sticky folder`];
    const { bavail, bsize } = fs.statfsSync(dir);
    const free = Number(bavail) * Number(bsize);
    return free < bytes ? [`${dir} has only ${free} bytes of free space`] : [];
  } catch (error) {
    return [`${path} cannot be written: ${(error as Error).message}`];
  }
}

function programObstacles(program: string, fs: Fs): string[] {
  if (!isAbsolute(program)) return [];
  try {
    fs.accessSync(program, X_OK);
    return [];
  } catch (error) {
    return [`${program} cannot be run: ${(error as Error).message}`];
  }
}

/** Why this socket would refuse the changes that are sent to it. No answer is a doubt of the question itself. */
export async function levelObstacles(question: TargetQuestion, outside: Outside): Promise<string[]> {
  if (question.kind !== 'socket' || question.level === undefined) return [];
  const { command, answer } = question.level;
  try {
    const { address, timeoutMs } = question;
    const there = elsewhereFor(question, outside);
    const asked =
      there === undefined
        ? outside.socket(address, command, timeoutMs, () => undefined)
        : there.ask({ do: 'socket', address, line: command, timeoutMs });
    const said = (await asked).trim();
    if (said === answer) return [];
    const shown = safeLine(said.slice(0, 80));
    return [
      `${question.address} answers ${JSON.stringify(shown)} to "${command}", not "${answer}": it would refuse every change`,
    ];
  } catch {
    return [];
  }
}
