/** Power cuts on a real ext4: at the moment of an acknowledgement the disk below is copied as it is, and the copy is mounted anew. */
import { type ChildProcess, spawn } from 'node:child_process';
import { constants, copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildProgram } from './build.ts';
import type { Write } from './fault-sweep.ts';
import { ext4Image, mount, unmount } from './mounts.ts';
import { ackedIn, missing } from './writings.ts';

export interface Cuts {
  readonly points: number;
  readonly faults: readonly string[];
}

/** Has each of these written so often, and cuts the power at every acknowledgement. `careless`: the writer does not flush. */
export async function cutPower(writes: readonly Write[], times: number, careless = false): Promise<Cuts> {
  const writer = await buildProgram('writer');
  let points = 0;
  const faults: string[] = [];
  for (const write of writes) {
    const image = ext4Image();
    const root = mount('ext4', image, ['loop']);
    mkdirSync(join(root, 'disk'));
    const argv = [writer, write, join(root, 'disk'), String(times), 'wait', ...(careless ? ['careless'] : [])];
    const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const acked of acknowledgements(child)) {
      points += 1;
      const copy = `${image}.cut`;
      copyFileSync(image, copy, constants.COPYFILE_FICLONE);
      const after = mount('ext4', copy, ['loop']);
      faults.push(...(await missing(acked, join(after, 'disk'))).map((fault) => `${write}, cut ${points}: ${fault}`));
      unmount(after);
      rmSync(copy);
      child.stdin?.write('.');
    }
    unmount(root);
    rmSync(image);
  }
  return { points, faults };
}

/** Everything acknowledged so far, once for each acknowledgement; the writer waits meanwhile. */
async function* acknowledgements(child: ChildProcess): AsyncGenerator<ReturnType<typeof ackedIn>> {
  let text = '';
  for await (const data of child.stdout ?? []) {
    text += String(data);
    if (text.endsWith('\n')) yield ackedIn(text);
  }
}
