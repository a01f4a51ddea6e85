/** Runs one sweep of fuzzing: the inputs that once failed first, then new ones by seed. Must show a failure as small as it can be. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Luck } from './luck.ts';
import { smallest } from './smaller.ts';

const CORPUS = join(import.meta.dirname, '..', '..', 'fixtures', 'fuzz');
/** An input that takes more of the processor than this, three times alone, hangs. Other programs on a busy machine do not count. */
const HANG_MS = 1000;

/** One kind of input and the promises about it. Inputs are plain JSON data or texts, so that they can be kept and made smaller. */
export interface Sweep<T = never> {
  readonly name: string;
  /** What people would call the input. */
  readonly what: string;
  readonly kind: 'objects' | 'texts';
  /** Out of all objects or all texts. */
  readonly share: number;
  make(luck: Luck): T;
  /** Throws where a promise is broken. The word says what became of the input, for the tally. */
  judge(input: T): string | Promise<string>;
  /** Each of these must have become of at least one input in a hundred, or the sweep proves nothing. */
  readonly must: readonly string[];
}

export interface Swept {
  readonly inputs: number;
  readonly ends: ReadonlyMap<string, number>;
}

/** `KVDEPLOY_SEED`, or one from the clock. */
export function seedOfRun(): string {
  return process.env.KVDEPLOY_SEED ?? String(Date.now() % 1_000_000);
}

/** Throws the first failure, with its seed and its smallest form. */
export async function run<T>(sweep: Sweep<T>, count: number, seed: string): Promise<Swept> {
  for (const input of corpusOf<T>(sweep.name)) await judged(sweep, input, 'from the corpus');
  const ends = new Map<string, number>();
  for (let index = 0; index < count; index += 1) {
    const where = `KVDEPLOY_SEED=${seed}, input ${index}`;
    const input = sweep.make(new Luck(`${seed}/${sweep.name}/${index}`));
    const end = await judged(sweep, input, where);
    ends.set(end, (ends.get(end) ?? 0) + 1);
  }
  const rare = sweep.must.filter((end) => (ends.get(end) ?? 0) < count / 100);
  if (rare.length > 0)
    throw new Error(`${sweep.name} (seed ${seed}): too few are ${rare.join(', ')}: ${JSON.stringify([...ends])}`);
  return { inputs: count, ends };
}

async function judged<T>(sweep: Sweep<T>, input: T, where: string): Promise<string> {
  const began = process.cpuUsage();
  try {
    const end = await judge(sweep, input);
    if (spentMs(began) > HANG_MS) await mustNotHang(sweep, input);
    return end;
  } catch (error) {
    const small = await smallest(input, async (less) => (await reasonOf(sweep, less)) === kindOf(error));
    const why = await judge(sweep, small).catch((last: unknown) => textOf(last));
    throw new Error(`${sweep.name}: ${why}\n  ${where}\n  smallest input: ${JSON.stringify(small)}`, { cause: error });
  }
}

async function judge<T>(sweep: Sweep<T>, input: T): Promise<string> {
  const end = sweep.judge(input);
  const word = typeof end === 'string' ? end : await end;
  if ('polluted' in {}) {
    delete (Object.prototype as { polluted?: unknown }).polluted;
    throw new Error('the prototype of all objects was changed');
  }
  return word;
}

/** Processor time of this process since then, in milliseconds. */
function spentMs(began: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(began);
  return (user + system) / 1000;
}

/** It may have cleaned up its memory once; an input that hangs does so every time. */
async function mustNotHang<T>(sweep: Sweep<T>, input: T): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round += 1) {
    const began = process.cpuUsage();
    await judge(sweep, input);
    best = Math.min(best, spentMs(began));
  }
  if (best > HANG_MS) throw new Error(`it takes ${Math.round(best)} ms`);
}

async function reasonOf<T>(sweep: Sweep<T>, input: T): Promise<string | undefined> {
  try {
    await judge(sweep, input);
    return undefined;
  } catch (error) {
    return kindOf(error);
  }
}

/** Two failures are one when they begin alike: names and numbers in them change as the input shrinks. */
function kindOf(error: unknown): string {
  return textOf(error).slice(0, 20);
}

function textOf(error: unknown): string {
  return error instanceof Error ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}` : String(error);
}

/** Inputs that once failed. */
function corpusOf<T>(name: string): readonly T[] {
  const file = join(CORPUS, `${name}.json`);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T[]) : [];
}

/** Throws with the reason unless it holds. */
export function must(holds: boolean, why: string): asserts holds {
  if (!holds) throw new Error(why);
}
