/** The detector for what builds say in place of a GUID: one word names one build, and no environment. */
import { admit } from '../../src/core/admission/admission.ts';
import { heard, whichBuild } from '../../src/core/admission/answers.ts';
import { environmentProven } from '../../src/core/admission/identity-checks.ts';
import type { Answer } from '../../src/core/admission/named.ts';
import { questionsAt } from '../../src/engine/asking/questions.ts';
import { answerOf, factsWith } from '../core/admission/facts.ts';
import { buildOf, CANDIDATE, listedAs, SCOPE } from '../core/manifest/builds.ts';

const says = (word: string): Answer => ({ guid: null, named: { is: 'version', word }, environment: null, said: '' });
const all = (...answers: Answer[]) => answers.map((answer, index) => ({ at: `member ${index + 1}`, answer }));

export function words(): readonly string[] {
  const twins = [listedAs(CANDIDATE), listedAs(buildOf(3, 'other', { version: CANDIDATE.version }))];
  const found = whichBuild(all(says(CANDIDATE.version)), { rows: twins, scope: SCOPE, isProtected: true });
  const wanted = { build: CANDIDATE, scope: SCOPE, where: 'at green', isProtected: true };
  const silent = heard(all(answerOf(CANDIDATE), { unreachable: 'timeout' }), wanted);
  const identity = { path: '/', header: 'x-version', is: 'version' };
  const unproven = factsWith({ identity, candidateAnswers: all(says(CANDIDATE.version)) });
  const unasked = heard(all(says(CANDIDATE.version)), wanted);
  const member = { weight: 1, percent: 0, up: true, draining: false, parked: false, counters: { served: null }, place: 'green' };
  const two = ['1', '2'].map((name) => ({
    ...{ key: name, words: name, location: 'main' },
    member: { ...member, name, ask: { address: `http://10.0.0.${name}` } },
  }));
  const [one, ...more] = questionsAt({ path: '/', header: 'x', unixSocket: '/run/a.sock' }, two, false);
  const short = heard(all(says(`${CANDIDATE.version}.1`)), wanted);
  return [
    ...(found.is === 'one' ? ['a word of two builds names one of them'] : []),
    ...(silent.is === 'right' ? ['a silent member is left out in a protected environment'] : []),
    ...(admit(unproven, [environmentProven]).refusal === undefined ? ['a version proves an environment'] : []),
    ...(unasked.is === 'right' ? ['a version proves an environment at the place of the known-good build'] : []),
    ...(one !== undefined && (more.length > 0 || 'why' in one.asked) ? [] : ['one answer stands for two members']),
    ...(short.is === 'wrong' ? [] : ['another version is taken for this build']),
  ];
}
