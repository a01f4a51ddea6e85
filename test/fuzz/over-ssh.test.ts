/** 40,000 orders and answers, mutated: what comes over SSH, at both ends. */
import { describe, expect, it } from 'vitest';
import { runSweep } from './all.ts';
import { seedOfRun } from './sweep.ts';
import { answersOverSsh, orders } from './sweeps/over-ssh.ts';

describe('what comes over SSH', () => {
  const seed = seedOfRun();

  it(`20,000 orders reach nothing that the machine file does not list (seed ${seed})`, async () => {
    expect((await runSweep(orders, 20_000, seed)).inputs).toBe(20_000);
  }, 120_000);

  it(`20,000 answers are read as what they are, or not at all (seed ${seed})`, async () => {
    expect((await runSweep(answersOverSsh, 20_000, seed)).inputs).toBe(20_000);
  }, 120_000);
});
