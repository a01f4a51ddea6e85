/** The whole router contract for docs/examples/alb.sh: some hundred calls of the aws CLI, before moto. */
import { afterAll, beforeAll, vi } from 'vitest';
import { type Moto, startMoto } from '../../servers/moto.ts';
import { routerContract } from '../contract.ts';
import { startAlbWorld } from './alb-world.ts';

let moto: Moto;

beforeAll(async () => {
  moto = await startMoto();
  vi.stubEnv('PATH', moto.quickPath);
  vi.stubEnv('HOME', moto.home);
}, 90_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await moto.close();
});

routerContract('command with the ALB example', async () => {
  moto.answer(() => undefined);
  return startAlbWorld(moto);
});
