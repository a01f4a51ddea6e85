/** Facts for admission: what is not known is not fine, and a ledger that cannot be read is named. */
import { describe, expect, it } from 'vitest';
import type { Guid } from '../../src/core/scope.ts';
import { diskFact, fileFacts, targetFacts } from '../../src/engine/facts.ts';
import { putFile } from '../simulator/disk.ts';
import { CANDIDATE, historyIn, planOf, STABLE, storeOf } from '../simulator/rollouts.ts';
import { POINTER_DIR, SCOPE, STATE_DIR } from '../simulator/simulation.ts';
import { targetIn } from '../simulator/target.ts';
import { scene } from './scene.ts';

async function promoted(plan = planOf()) {
  const here = scene();
  await here.go(plan);
  const history = await historyIn(here.sim);
  const { io } = here.process(20);
  const { entries, head } = await storeOf(io).read(SCOPE);
  const facts = (scope = SCOPE, settings: { readonly protected: boolean } | null = { protected: true }) =>
    fileFacts(
      {
        scope,
        guid: CANDIDATE as Guid,
        listed: [],
        atPlace: [],
        listing: undefined,
        unseen: [],
        settings,
        config: null,
        environments: [],
        history,
        store: storeOf(io),
        entries,
        ledgerHead: head,
        pointerDirs: [POINTER_DIR],
        stateDir: STATE_DIR,
      },
      io,
    );
  return { ...here, io, facts };
}

describe('facts', () => {
  it('facts from files alone leave everything about the target unknown', async () => {
    const { facts } = await promoted();
    expect(await facts()).toMatchObject({
      gathered: ['files'],
      targetSays: [],
      places: [],
      candidateAnswers: [],
      knownGoodAnswers: [],
    });
  });

  it('facts name the build that the pointer names', async () => {
    const { facts } = await promoted();
    expect((await facts()).pointer).toEqual({ knownGood: CANDIDATE, damaged: [], ledgerCut: null });
  });

  it('facts know every build that another scope ever planned with', async () => {
    const { facts } = await promoted();
    const [other] = (await facts({ ...SCOPE, environment: 'staging' })).otherLedgers;
    expect(other?.scope).toEqual(SCOPE);
    expect([...(other?.guids ?? [])].sort()).toEqual([STABLE, CANDIDATE].sort());
  });

  it('facts say which ledger could not be read, instead of passing over it', async () => {
    const { facts, sim } = await promoted();
    putFile(sim.disk, `${STATE_DIR}/acme/staging/kv-gateway/ledger/0001.jsonl`, 'damaged\n');
    const { otherLedgers, unseen } = await facts();
    expect(otherLedgers).toEqual([]);
    expect(unseen).toEqual([
      expect.objectContaining({ why: expect.stringMatching(/acme\/staging\/kv-gateway is damaged/), expected: false }),
    ]);
  });

  it('facts without a config take from the last plan in the ledger whether the environment is protected', async () => {
    const open = await promoted(planOf({ unprotected: true }));
    const guarded = await promoted();
    expect(await open.facts(SCOPE, null)).toMatchObject({ protected: false });
    expect(await guarded.facts(SCOPE, null)).toMatchObject({ protected: true });
    expect(await open.facts()).toMatchObject({ protected: true });
  });

  it('facts from the target have its members, its own word, and what runs at both places', async () => {
    const { facts, sim, io } = await promoted();
    const added = await targetFacts(await facts(), targetIn(sim, io, planOf()), 'blue');
    expect(added.facts).toMatchObject({
      gathered: ['files', 'target'],
      targetSays: ['production'],
      places: [
        { place: 'blue', percent: 0 },
        { place: 'green', percent: 100 },
        { place: 'grey', percent: 0 },
      ],
      candidateAnswers: [{ answer: { guid: STABLE } }],
      knownGoodAnswers: [{ answer: { guid: CANDIDATE } }],
    });
  });

  it('facts about the disk come from a probe where the state lies or will lie, and it leaves nothing', async () => {
    const { sim, io } = await promoted();
    const before = sim.disk.readdirSync(STATE_DIR).length;
    expect(diskFact(STATE_DIR, io)).toBeNull();
    expect(diskFact('/srv/not/yet/there', io)).toBeNull();
    expect(sim.disk.readdirSync(STATE_DIR)).toHaveLength(before);
    sim.full = true;
    expect(diskFact(STATE_DIR, io)).toMatch(/a test file in .* failed/);
  });
});
