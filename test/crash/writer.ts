/**
 * A process that writes by each durable protocol with the real code, and says on standard output what was acknowledged, in the
 * moment in which it is; told to, it then waits for a byte. Whatever goes wrong ends it, loudly. `careless`: no fsync reaches the disk.
 */
import { readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { make } from '../../src/base/changes/make.ts';
import { OWNER_ONLY } from '../../src/base/durable/durable-file.ts';
import { recordPlace } from '../../src/base/durable/places.ts';
import { openStateDir } from '../../src/base/durable/state-dir.ts';
import { writeHold } from '../../src/base/pointer/hold.ts';
import { writePointer } from '../../src/base/pointer/pointer.ts';
import { writeRecord } from '../../src/base/pointer/records.ts';
import { releaseClaim, takeClaim } from '../../src/engine/claim.ts';
import { type Io, nodeIo } from '../../src/io.ts';
import { localStore } from '../../src/stores/local.ts';
import { note, SCOPE } from '../stores/entries.ts';
import { holdNote, intentOf, pointerOf, rootsBelow, routesOf } from './writings.ts';

const [, , what = '', root = '', times = '1', ...how] = process.argv;
const io: Io = how.includes('careless') ? { ...nodeIo, fs: { ...nodeIo.fs, fsyncSync: () => undefined } } : nodeIo;
const { fs } = io;
const stateDir = join(root, 'state');
const openPointerDir = () => openStateDir(stateDir, [SCOPE.tenant, SCOPE.environment, SCOPE.service, 'pointer'], fs, OWNER_ONLY);

function acknowledge(...words: readonly (string | number)[]): void {
  writeSync(1, `acked ${words.join(' ')}\n`);
  if (how.includes('wait')) readSync(0, Buffer.alloc(1));
}

const acts: Readonly<Record<string, () => Promise<void> | void>> = {
  pointer: () => {
    const dir = openPointerDir();
    for (let time = 0; time < Number(times); time += 1) {
      const version = `v-${process.pid}-${time}`;
      acknowledge('pointer', writePointer(dir, pointerOf(version), fs, OWNER_ONLY), version);
    }
  },
  ledger: async () => {
    const store = localStore(stateDir, io);
    const claim = await takeClaim({ io, store, scope: SCOPE, actor: 'alice' }, 'write', { takeOver: false });
    acknowledge('claim', claim.seq, process.pid);
    let { seq } = claim;
    for (let time = 0; time < Number(times); time += 1) {
      const text = `${process.pid}-${time}`;
      if ((await store.append(SCOPE, seq + 1, note(text))) !== 'ok') throw new Error('the claim was lost');
      seq += 1;
      acknowledge('entry', seq, text);
    }
    await releaseClaim({ io, store, scope: SCOPE, actor: 'alice' }, seq);
  },
  hold: () => {
    const { written, failed } = writeHold([openPointerDir()], holdNote(), fs);
    if (written.length === 0) throw new Error(failed.map(({ why }) => why).join());
    acknowledge('hold', 'there');
  },
  shift: async () => {
    for (let time = 0; time < Number(times); time += 1) {
      const content = routesOf(`${process.pid}-${time}`);
      await make({ kind: 'write-file', path: join(root, 'routes.json'), content }, io, () => undefined);
      acknowledge('shift', `${process.pid}-${time}`);
    }
  },
  place: () => {
    recordPlace(`/srv/${process.pid}`, fs, rootsBelow(root));
    acknowledge('place', `/srv/${process.pid}`);
  },
  record: () => {
    const id = `rescue-${process.pid}`;
    const { file, failed } = writeRecord([openPointerDir()], intentOf(id), fs);
    if (file === undefined) throw new Error(failed.join());
    acknowledge('record', id);
  },
};

try {
  await acts[what]?.();
} catch (error) {
  writeSync(2, `${(error as { code?: string }).code ?? ''} ${(error as Error).message}\n`);
  process.exitCode = 1;
}
