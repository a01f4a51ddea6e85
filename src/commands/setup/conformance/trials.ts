/** What a program of the `command` router must keep to, tried one sentence at a time on a scratch target. */
import { isMultiple } from '../../../routers/command/command-protocol.ts';
import { endText, type Percents, type Ran, type Subject } from './program.ts';

/** One sentence, and how to try it. `attempt` resolves with what was seen, or throws an Error with what was wrong. */
export interface Trial {
  readonly name: string;
  readonly attempt: (scene: Scene) => Promise<string>;
}

export interface Scene {
  readonly subject: Subject;
  /** The same program, told of a target that there is not. */
  readonly stranger: Subject;
  readonly target: string;
  readonly timeoutMs: number;
  /** How often a set is killed in the middle. */
  readonly kills: number;
}

const NO_PLACE = 'kvdeploy-no-such-place';

export const trials: readonly Trial[] = [
  { name: 'identify names the environment', attempt: identifies },
  { name: 'read says the same twice', attempt: readsTwice },
  { name: 'set moves everything, and read shows it', attempt: movesAll },
  { name: 'set makes the steps that read promises', attempt: makesSteps },
  { name: 'the same set again changes nothing', attempt: repeats },
  { name: 'the order of places does not matter', attempt: reorders },
  { name: 'an unknown target is refused', attempt: refusesTargets },
  { name: 'an unknown format is refused', attempt: refusesFormats },
  { name: 'a split that cannot be is refused, and changes nothing', attempt: refusesSplits },
  { name: 'garbage and huge input is refused, and changes nothing', attempt: refusesGarbage },
  { name: 'two sets at once leave one of the two', attempt: survivesTwo },
  { name: 'killed in the middle it leaves the old split or the new one', attempt: survivesKills },
  { name: 'it is quick enough', attempt: isQuick },
];

async function identifies({ subject }: Scene): Promise<string> {
  const [first, second] = [await subject.environment(), await subject.environment()];
  if (first !== second) throw new Error(`it names ${first}, then ${second}`);
  return `it is ${first}`;
}

async function readsTwice({ subject }: Scene): Promise<string> {
  const [first, second] = [await subject.read(), await subject.read()];
  mustBe(second.percent, first.percent, 'the second read');
  return splitText(first.percent);
}

async function movesAll(scene: Scene): Promise<string> {
  const places = await placesOf(scene);
  for (const place of places) await mustSet(scene, at(places, place, 100));
  return `100 % at ${places.join(', then ')}`;
}

async function makesSteps(scene: Scene): Promise<string> {
  const places = await placesOf(scene);
  const [, second = ''] = places;
  const { smallestPercent } = await scene.subject.read();
  const steps = [smallestPercent, 1, 33.3, 50, 100 - smallestPercent].filter((one) => isMultiple(one, smallestPercent));
  const unique = [...new Set(steps)];
  for (const step of unique) await mustSet(scene, at(places, second, step));
  return `${unique.join(', ')} %`;
}

async function repeats(scene: Scene): Promise<string> {
  const places = await placesOf(scene);
  const half = at(places, places[1] ?? '', 50);
  for (let time = 1; time <= 3; time += 1) await mustSet(scene, half);
  return 'three times';
}

async function reorders(scene: Scene): Promise<string> {
  const { subject, target } = scene;
  const places = await placesOf(scene);
  const wanted = at(places, places[0] ?? '', 100);
  await mustSet(scene, at(places, places[1] ?? '', 100));
  const reversed = Object.fromEntries(Object.entries(wanted).reverse());
  const input = JSON.stringify({ leaving: 'drain', percent: reversed, target, formatVersion: 1 });
  mustEnd(await subject.run('set', input), 'with the keys in another order set');
  mustBe((await subject.read()).percent, wanted, 'read after that');
  return 'keys reversed, and leaving: drain';
}

async function refusesTargets(scene: Scene): Promise<string> {
  const { subject, stranger } = scene;
  const before = (await subject.read()).percent;
  const places = Object.keys(before);
  const other = at(places, before[places[0] ?? ''] === 100 ? (places[1] ?? '') : (places[0] ?? ''), 100);
  mustRefuse(await stranger.set(other), 'set');
  const read = await stranger.read().catch(() => undefined);
  if (read !== undefined) throw new Error('read of a target that there is not prints a split');
  const environment = await stranger.environment().catch(() => undefined);
  if (environment !== undefined) throw new Error('identify of a target that there is not names an environment');
  mustBe((await subject.read()).percent, before, 'read after that');
  return 'by read, set and identify';
}

async function refusesFormats(scene: Scene): Promise<string> {
  const { subject, target } = scene;
  const { percent } = await subject.read();
  const asked = JSON.stringify({ formatVersion: 999, target });
  for (const verb of ['read', 'identify'] as const)
    mustRefuse(await subject.run(verb, asked), `${verb} with a format of the future`);
  const other = at(Object.keys(percent), Object.keys(percent).find((place) => percent[place] !== 100) ?? '', 100);
  const future = { formatVersion: 999, target, percent: other, leaving: 'at-once' };
  return refuses(scene, [['a format of the future', JSON.stringify(future)]]);
}

async function refusesSplits(scene: Scene): Promise<string> {
  const { target } = scene;
  const places = await placesOf(scene);
  const [first = '', second = ''] = places;
  const all = at(places, first, 100);
  const wrong: readonly (readonly [string, Percents])[] = [
    ['a place that there is not', { ...at(places, first, 90), [NO_PLACE]: 10 }],
    ['a place left out', Object.fromEntries(Object.entries(all).filter(([place]) => place !== second))],
    ['a sum of 90', { ...all, [first]: 90 }],
    ['a share below zero', { ...all, [first]: 101, [second]: -1 }],
  ];
  const inputs = wrong.map(
    ([name, percent]) => [name, JSON.stringify({ formatVersion: 1, target, percent, leaving: 'at-once' })] as const,
  );
  return refuses(scene, inputs);
}

async function refusesGarbage(scene: Scene): Promise<string> {
  const whole = JSON.stringify({ formatVersion: 1, target: scene.target, percent: {}, leaving: 'at-once' });
  return refuses(scene, [
    ['nothing', ''],
    ['half of it', whole.slice(0, whole.length / 2)],
    ['a list', '[]'],
    ['words', 'set everything to green'],
    ['4 MiB of spaces', ' '.repeat(4 * 1024 * 1024)],
    ['4 MiB of brackets', '['.repeat(4 * 1024 * 1024)],
  ]);
}

async function survivesTwo(scene: Scene): Promise<string> {
  const { subject } = scene;
  const places = await placesOf(scene);
  const [one, other] = [at(places, places[0] ?? '', 100), at(places, places[1] ?? '', 100)];
  for (let time = 1; time <= 3; time += 1) {
    await Promise.all([subject.set(one), subject.set(other)]);
    const { percent } = await subject.read();
    if (!isSame(percent, one) && !isSame(percent, other)) throw new Error(`read shows ${splitText(percent)}, which no one set`);
  }
  await mustSet(scene, one);
  return 'three times';
}

/** At moments spread over the time that a set takes. */
async function survivesKills(scene: Scene): Promise<string> {
  const { subject, kills } = scene;
  const places = await placesOf(scene);
  const [one, other] = [at(places, places[0] ?? '', 100), at(places, places[1] ?? '', 100)];
  await mustSet(scene, one);
  const { ms } = await mustSet(scene, other);
  let ended = 0;
  for (let kill = 0; kill < kills; kill += 1) {
    await mustSet(scene, one);
    const after = (ms * kill) / kills;
    if (await subject.setKilled(other, after)) ended += 1;
    const { percent } = await subject.read();
    if (!isSame(percent, one) && !isSame(percent, other))
      throw new Error(
        `killed after ${Math.round(after)} ms it left ${splitText(percent)}, neither the old split nor the new one`,
      );
    await mustSet(scene, other);
  }
  if (ended === kills) throw new Error('every set had ended before it could be killed, so this was not tried');
  return `${kills} kills, ${ended} of them after the end`;
}

async function isQuick(scene: Scene): Promise<string> {
  const { subject, timeoutMs, target } = scene;
  const read = await subject.run('read', `${JSON.stringify({ formatVersion: 1, target })}\n`);
  const places = await placesOf(scene);
  const set = await mustSet(scene, at(places, places[0] ?? '', 100));
  const words = `read ${Math.round(read.ms)} ms, set ${Math.round(set.ms)} ms`;
  if (Math.max(read.ms, set.ms) * 2 > timeoutMs)
    throw new Error(`${words}: more than half of the ${timeoutMs} ms that it may take`);
  return words;
}

async function refuses({ subject }: Scene, inputs: readonly (readonly [string, string])[]): Promise<string> {
  const before = (await subject.read()).percent;
  for (const [name, input] of inputs) {
    mustRefuse(await subject.run('set', input), `set with ${name}`);
    mustBe((await subject.read()).percent, before, `read after ${name}`);
  }
  return inputs.map(([name]) => name).join(', ');
}

async function placesOf({ subject }: Scene): Promise<readonly string[]> {
  return Object.keys((await subject.read()).percent).sort();
}

/** `percent` at this place, the rest at the first other one. */
function at(places: readonly string[], place: string, percent: number): Percents {
  const rest = places.find((one) => one !== place);
  return Object.fromEntries(
    places.map((one) => [one, one === place ? percent : one === rest ? Math.round((100 - percent) * 1e6) / 1e6 : 0]),
  );
}

async function mustSet({ subject }: Scene, wanted: Percents): Promise<Ran> {
  const ran = await subject.set(wanted);
  mustEnd(ran, `set to ${splitText(wanted)}`);
  mustBe((await subject.read()).percent, wanted, `read after set to ${splitText(wanted)}`);
  return ran;
}

function mustEnd(ran: Ran, what: string): void {
  if (ran.exitCode !== 0) throw new Error(`${what} ${endText(ran)}`);
}

/** A program that is killed because it never ends has not refused either. */
function mustRefuse(ran: Ran, what: string): void {
  if (ran.exitCode === 0) throw new Error(`${what} exited 0`);
  if (ran.exitCode === null) throw new Error(`${what} did not refuse: ${ran.stderr}`);
}

function mustBe(percents: Percents, wanted: Percents, what: string): void {
  if (!isSame(percents, wanted)) throw new Error(`${what} shows ${splitText(percents)}, not ${splitText(wanted)}`);
}

/** To four decimals, and no place more or less. */
export function isSame(percents: Percents, wanted: Percents): boolean {
  const names = new Set([...Object.keys(percents), ...Object.keys(wanted)]);
  return [...names].every((name) => Math.abs((percents[name] ?? Number.NaN) - (wanted[name] ?? Number.NaN)) < 1e-4);
}

export function splitText(percents: Percents): string {
  return Object.entries(percents)
    .map(([place, percent]) => `${place} ${percent} %`)
    .join(', ');
}
