/** The detector for guards of places with several members: which of them are asked, named, counted on and restored. */
import { admit } from '../../src/core/admission/admission.ts';
import { heard, whichBuild } from '../../src/core/admission/answers.ts';
import type { Answer } from '../../src/core/admission/named.ts';
import { keptPlaces } from '../../src/core/ledger/kept-places.ts';
import { questionsAt } from '../../src/engine/asking/questions.ts';
import { asBefore, cameAndLeft, homeOf } from '../../src/routers/places.ts';
import { answerOf, factsWith, historyWith } from '../core/admission/facts.ts';
import { CANDIDATE, listedAs, SCOPE, STABLE } from '../core/manifest/builds.ts';
import { memberAt } from '../engine/asking.ts';
import { greenIn, scene, when } from '../engine/scene.ts';
import { readingOf } from '../routers/readings.ts';
import { planOf } from '../simulator/rollouts.ts';

const all = (...answers: Answer[]) => answers.map((answer, index) => ({ at: `member ${index + 1}`, of: [], answer }));

/** What each fault would let through. */
export async function members(): Promise<readonly string[]> {
  const known = { rows: [], scope: SCOPE, isProtected: true };
  const mixed = whichBuild(all(answerOf(CANDIDATE), answerOf(CANDIDATE), answerOf(STABLE)), known);
  const few = admit(factsWith({ tooFewUp: 'green needs 2 members up' }));
  const identity = { path: '/', header: 'x-build' };
  const at = (location: string, up: boolean) => {
    const member = memberAt({ address: 'http://10.0.0.1' }, { up });
    return { key: location, words: location, location, member };
  };
  const [question] = questionsAt(identity, [at('east', false), at('west', true)], true);
  const kept = keptPlaces([{ place: STABLE.ref, parked: true }], historyWith(), null);
  const home = homeOf({ places: { blue: ['s1', 's2'], green: ['s1', 's3'] } }, 's1');
  return [
    ...(mixed.is === 'one' ? ['two of one build and one of another are one build'] : []),
    ...(few.build === null ? [] : ['a place with too few members up is let in']),
    ...(question?.isDown === false ? [] : ['a member that is down at one location is not asked for the other']),
    ...(kept.length === 1 ? [] : ['a place in maintenance that was known-good is left out of the pointer']),
    ...(home === 's1' ? [] : ['a server of two places means one of them']),
    ...newcomers(),
    ...(await arrival()),
    ...shortened(),
  ];
}

/** One member came into rotation, and another waits in maintenance. */
function newcomers(): readonly string[] {
  const told = (name: string, percent: number) => ({ place: 'green', name, percent, address: 'http://10.0.0.1' });
  const since = readingOf([{ place: 'blue', percent: 50 }, told('green-1', 50)]);
  const now = readingOf([{ place: 'blue', percent: 50 }, told('green-1', 50), told('green-2', 100), told('green-3', 0)]);
  const green = asBefore(now, since).find(({ place }) => place === 'green');
  return [
    ...(green?.percent === 50 ? [] : ['a member that came later moves what was set']),
    ...(cameAndLeft(now, since)?.settled === false ? [] : ['a member that waits is not waited for']),
  ];
}

/** A member that is another build arrives right after a poll; the next poll is minutes away. */
async function arrival(): Promise<readonly string[]> {
  const here = scene({ leaveAtMs: 300_000 });
  const shape = (green: readonly string[]) => [{ location: 'east', members: { blue: ['blue-1', 'blue-2'], green } }];
  here.sim.shape = shape(['green-1', 'green-2']);
  when(
    here,
    ({ type }) => type === 'poll',
    () => {
      here.sim.place('green-3', 'dead0000-0000-4000-8000-000000000009');
      here.sim.shape = shape(['green-1', 'green-2', 'green-3']);
    },
  );
  const began = here.sim.monotonicMs;
  const steps = [10, 100].map((percent) => ({ percent, bakeMs: 200_000 }));
  await here.go(planOf({ steps, pollMs: 100_000, patienceMs: 200_000 }));
  const isBack = greenIn(here).join() === '10,0' && here.sim.monotonicMs - began < 60_000;
  return isBack ? [] : ['a member that came since the last poll is not asked'];
}

/** Half a commit is neither this build nor another one. */
function shortened(): readonly string[] {
  const commit = '0123456789'.repeat(4);
  const source = { repository: 'https://example.com/gateway', commit };
  const wanted = { build: { ...CANDIDATE, source }, scope: SCOPE, where: 'at green', isProtected: true };
  const said = (word: string): Answer => ({
    guid: null,
    named: { is: 'commit', word },
    environment: SCOPE.environment,
    said: word,
  });
  const short = heard(all(said(commit.slice(0, 12))), wanted);
  const identity = { path: '/', header: 'x-git-sha', is: 'commit', environmentHeader: 'x-environment' };
  const twin = listedAs({ ...STABLE, source });
  const own = listedAs({ ...CANDIDATE, source });
  const twins = factsWith({ identity, listed: [twin, own], atPlace: [twin, own], candidateAnswers: all(said(commit)) });
  return [
    ...(short.is === 'silent' ? [] : ['half a commit is taken for a whole one']),
    ...(admit(twins).refusal?.code === 'IDENTITY_UNCLEAR' ? [] : ['a build is let in whose commit another one has too']),
  ];
}
