/** What the detectors look at in a config: whose it is, and whether a look runs the programs that it names. */
import * as fs from 'node:fs';
import type { LoadedConfig } from '../../src/config/settings.ts';
import type { Io } from '../../src/io.ts';
import type { Deps } from '../../src/release/deps.ts';
import { assertConfigOwned } from '../../src/release/trust/config-owner.ts';
import { withheldBy } from '../../src/release/trust/programs.ts';

const CONFIG = { file: '/srv/app/kvdeploy.config.yaml', root: '/srv/app', manifestsDir: '/srv/app/releases' } as LoadedConfig;

/** A config of user 40001, read by user 1000, and a gate that runs a program. */
export function strangers(): readonly string[] {
  const owned = (uid: number) => ({ fs: { ...fs, statSync: () => ({ uid }) }, env: () => undefined }) as unknown as Io;
  const refuses = (uid: number) => {
    try {
      assertConfigOwned(CONFIG, owned(uid), 1000);
      return false;
    } catch {
      return true;
    }
  };
  const io = { fs, env: () => undefined } as unknown as Io;
  const gate = { name: 'counted', source: 'command', settings: { argv: ['/bin/sh', '${build}'] } };
  const runs = withheldBy({ io, globals: {} } as Deps)(gate) === undefined;
  return [
    ...(refuses(40_001) ? [] : ['uses the config of a stranger']),
    ...(refuses(1000) ? ['refuses a config of its own user'] : []),
    ...(runs ? ['runs a program for a look'] : []),
  ];
}
