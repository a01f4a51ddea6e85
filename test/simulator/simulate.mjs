/** `npm run simulate -- --seed N [--count K]`: lives through these simulations again and tells how one that fails came about. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleSimulator } from './bundle.mjs';

const program = join(dirname(fileURLToPath(import.meta.url)), '../../.cache/simulator/simulate.mjs');
await bundleSimulator(program);
process.exitCode = spawnSync(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' }).status ?? 1;
