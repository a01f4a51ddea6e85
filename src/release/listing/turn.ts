/**
 * Turns at writing one file of a checkout: processes that edit it at once do so one after the other. Must never wait for one that was
 * killed, and must never let two write at once.
 */
import { basename, dirname, join } from 'node:path';
import type { ProcessIdentity } from '../../base/changes/process-identity.ts';
import { createForAll } from '../../base/durable/durable-file.ts';
import { codeOf, look, quietly } from '../../base/durable/open-file.ts';
import { mayBeShared } from '../../base/durable/state-dir.ts';
import { KvdeployError } from '../../core/errors.ts';
import type { Io } from '../../io.ts';

const PATIENCE_MS = 60_000;

/** A turn takes a second or two; whoever cannot be seen from here, such as a process in another container, has this long. */
const UNSEEN_MS = 600_000;

/** At most this much of a ticket is read. */
const MOST_BYTES = 4096;

/**
 * Takes a turn at `file`, in whose folder each waiting process puts a ticket under a name of its own; returns how to end it. Whoever puts
 * a ticket down and sees another living one takes its own away and tries again, so that of two at once never both go on, and a ticket
 * that is swept is never mistaken for a newer one. Throws BUSY after a minute.
 */
export async function takeTurn(file: string, io: Io): Promise<() => void> {
  const { fs } = io;
  const start = `.${basename(file)}.turn-`;
  const mine = join(dirname(file), `${start}${io.randomId()}`);
  const until = io.monotonic() + PATIENCE_MS;
  for (;;) {
    const before = others(dirname(file), start, mine, io)[0];
    if (before === undefined && createForAll(mine, Buffer.from(JSON.stringify(io.self())), fs)) {
      if (others(dirname(file), start, mine, io).length === 0) return () => quietly(() => fs.unlinkSync(mine));
      fs.unlinkSync(mine);
    }
    if (io.monotonic() > until) {
      throw new KvdeployError('BUSY', {
        message: `Another process is writing ${file} (${before ?? 'one after the other'}); nothing was changed.`,
        hint: `Run the same command again${before === undefined ? '.' : `; if no kvdeploy runs on this checkout, remove ${before} first.`}`,
      });
    }
    await io.sleep(10 + (Number.parseInt(io.randomId().slice(0, 4), 16) % 90));
  }
}

/** Tickets of others that may still be there; those of processes that are gone are swept. */
function others(dir: string, start: string, mine: string, io: Io): readonly string[] {
  const names = io.fs.readdirSync(dir).filter((name) => name.startsWith(start));
  return names
    .map((name) => join(dir, name))
    .filter((ticket) => {
      if (ticket === mine || !isLeft(ticket, dir, io)) return ticket !== mine && look(ticket, io.fs) !== undefined;
      quietly(() => io.fs.unlinkSync(ticket));
      return false;
    });
}

/** True if it is certain that no one holds this ticket any more. */
function isLeft(ticket: string, dir: string, io: Io): boolean {
  try {
    const stat = io.fs.lstatSync(ticket);
    if (!stat.isFile() || stat.size > MOST_BYTES) return false;
    const by = JSON.parse(String(io.fs.readFileSync(ticket, 'utf8'))) as ProcessIdentity;
    const seen = io.lookFor({ by, owner: stat.uid, shared: mayBeShared(dir, io.fs) });
    return seen.is === 'gone' || (seen.is === 'unsure' && io.now() - stat.mtimeMs > UNSEEN_MS);
  } catch (error) {
    return codeOf(error) === 'ENOENT';
  }
}
