/** The toy router: a JSON file that says which place gets how much. Copy it to src/routers/<kind>.ts. Must not believe the file beyond what it says. */
import * as z from 'zod';
import type { Change, Check } from '../base/changes/change.ts';
import { KvdeployError } from '../core/errors.ts';
import type { Io } from '../io.ts';
import { MAIN, placesOf } from './places.ts';
import { placeNameSchema } from './places-config.ts';
import { type LocationSplit, type Member, markFile, type Reading, type Router } from './router.ts';

const config = z.strictObject({
  file: z.string().regex(/^\//, 'an absolute path'),
  places: z.array(placeNameSchema).min(1).describe('The names of all places: [blue, green]'),
});
type Config = z.infer<typeof config>;

/** What stands in the file. */
const weights = z.strictObject({ environment: z.string(), percents: z.record(z.string(), z.number()) });

export const toy: Router<Config> = {
  kind: 'toy',
  summary: 'a JSON file of percentages, for people who write a router',
  promises: {
    granularity: '0.01 %',
    readBack: '*configured* by the file',
    identity: 'none: it knows no addresses',
    fencing: 'none',
    sticky: 'none',
    breakGlass: 'write access to the file',
    hosts: 'this one',
  },
  config,
  targets: ({ file }) => [file],
  impossible: (_config, _reading, percent) =>
    isWhole(percent * 100) ? undefined : `the file has steps of 0.01 %, so it cannot have exactly ${percent} %`,
  locations: () => [MAIN],
  placeSettings: () => null,
  changes: (settings, wanted): readonly Change[] =>
    wanted.map((one) => ({ kind: 'write-file', path: settings.file, content: contentOf(settings, one) })),
  checks: (settings, wanted): readonly Check[] =>
    wanted.map((one) => ({ kind: 'file', path: settings.file, content: contentOf(settings, one) })),
  read: async ({ file }, io) => readingOf(parsed(file, io)),
  identify: async ({ file }, io) => [parsed(file, io).environment],
  questions: () => [],
  marks: ({ file }) => [markFile(file)],
  idleTimeoutMs: 0,
};

/** But for floating-point noise. */
const isWhole = (number: number) => Math.abs(number - Math.round(number)) < 1e-6;

/** Absolute: every place is in it, and the same split gives the same bytes, in whatever order its shares come. */
function contentOf({ places }: Config, { split }: LocationSplit): string {
  const shares = new Map(split.map(({ place, percent }) => [place, percent]));
  const percents = Object.fromEntries(places.map((place) => [place, shares.get(place) ?? 0]));
  return `${JSON.stringify({ environment: 'production', percents })}\n`;
}

function parsed(file: string, io: Io): z.infer<typeof weights> {
  try {
    return weights.parse(JSON.parse(String(io.fs.readFileSync(file, 'utf8'))));
  } catch (cause) {
    throw new KvdeployError('UNREACHABLE', { message: `${file} cannot be read.`, hint: 'Write it once by hand.', cause });
  }
}

/** The file is a setting: nothing here has seen traffic, so it is `configured`, never `served`. */
function readingOf({ percents }: z.infer<typeof weights>): Reading {
  const members = Object.entries(percents).map(([place, percent]): Member => {
    const counters = { served: null };
    const calm = { up: true, draining: false, parked: false };
    return { name: place, place, weight: percent, percent, ...calm, ask: { address: null }, counters };
  });
  const locations = [{ name: MAIN, members }];
  return { locations, places: placesOf(locations), certainty: 'configured', trouble: [] };
}
