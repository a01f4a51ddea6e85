/** The model with three runners: what one of them read may be two leaders old. */
import { expect, it } from 'vitest';
import { recordReliability } from '../reliability.ts';
import { search, spinVersion } from './spin.ts';

const THREE = ['-DRUNNERS=3', '-DSHORT'];

it('three runners and a rescuer keep all four promises, and acknowledged entries where no process can be ended', () => {
  const [ended, remote] = [search(...THREE), search(...THREE, '-DREMOTE')];
  expect([ended.broken, remote.broken]).toEqual([null, null]);
  const points = ended.states + remote.states;
  const what = 'all states of the model of claim, fence and hold (three runners and one rescuer)';
  const seconds = ended.seconds + remote.seconds;
  recordReliability({ name: 'spin-model', what, points, seconds, seed: null, failures: 0 }, { spin: spinVersion() });
}, 300_000);

it('spin finds a runner that claims after a leader it never ended, where the sequence is not checked', () => {
  expect(search(...THREE, '-DNO_SEQUENCE_CHECK').broken).toContain('newest==segment');
}, 300_000);
