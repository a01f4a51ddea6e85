/** `kvdeploy conformance` with the ALB example, before moto: some five hundred calls of the aws CLI. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAlb } from '../routers/command/alb-world.ts';
import { type Moto, startMoto } from '../servers/moto.ts';
import { runCli } from './run-cli.ts';

let moto: Moto;
beforeAll(async () => {
  moto = await startMoto();
}, 90_000);
afterAll(() => moto.close());

test('the ALB example keeps every rule of conformance, and has its old weights afterwards', async () => {
  const alb = await startAlb(moto, { places: { blue: ['http://10.0.0.1:8080'], green: ['http://10.0.1.1:8080'] } });
  const { exitCode, stdout, stderr } = await runCli(
    ['conformance', '--confirm', 'scratch', '--timeout', '60s', '--json', '--', ...alb.verb('').slice(0, 2)],
    { timeoutMs: 1_200_000, env: { PATH: moto.quickPath, HOME: moto.home } },
  );
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  const checks = lines.map((line) => JSON.parse(line) as { type: string; ok?: boolean }).filter(({ type }) => type === 'check');
  expect(checks.filter(({ ok }) => ok !== true)).toEqual([]);
  expect(checks.length).toBeGreaterThan(10);
  expect(exitCode, stderr).toBe(0);
  expect(await alb.weights()).toEqual({ blue: 999, green: 0 });
}, 1_300_000);
