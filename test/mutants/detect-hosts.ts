/** Looks at what another host does for an order, and at how it is reached. Prints nothing itself. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replyTo } from '../../src/base/at/at-host.ts';
import { sshArgv } from '../../src/base/at/at-way.ts';
import { nodeOutside } from '../../src/base/changes/outside.ts';
import { limited } from '../../src/base/limited.ts';

const SCOPE = { tenant: 'acme', environment: 'production', service: 'web' };

/** Changes that a host must not make, made. */
export async function hosts(): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kvdeploy-hosts-'));
  try {
    const pointer = join(folder, 'pointer');
    mkdirSync(pointer);
    writeFileSync(join(pointer, 'hold'), 'held');
    const asked = async (how: string, { dirs = [], only, files = true, late = false }: Case) => {
      const path = join(folder, how.replaceAll(' ', '-'));
      const order = {
        ...{ formatVersion: 1, id: 1, scope: SCOPE, at: 'n2', by: 'rollout', untilMs: late ? 0 : Number.MAX_SAFE_INTEGER },
        deed: { do: 'make', change: { kind: 'write-file', path, content: 'x' } },
      };
      await replyTo(JSON.stringify(order), {
        outside: nodeOutside,
        machine: () => ({ targets: { 'acme/production/web': { files: files ? [path] : [] } } }),
        holdDirs: () => dirs,
        inTurn: limited(1),
        only,
      });
      return existsSync(path) ? [`a change was made ${how}`] : [];
    };
    const found = [
      await asked('while a hold lies there', { dirs: [pointer] }),
      await asked('that is not listed there', { files: false }),
      await asked('for another scope than that of the key', { only: 'acme/staging/web' }),
      await asked('after its time was over', { late: true }),
    ];
    const strict = sshArgv({ ssh: 'kv@10.0.0.2' }).includes('StrictHostKeyChecking=yes');
    return [...found.flat(), ...(strict ? [] : ['a host is believed whose key is not known'])];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Case {
  readonly dirs?: readonly string[];
  readonly only?: string;
  readonly files?: boolean;
  readonly late?: boolean;
}
