/** Every sweep, with its part of the inputs. Must add up: a share that is missing is an attack that is not made. */
import fs from 'node:fs';
import { join } from 'node:path';
import { freshFolder } from '../fresh-folder.ts';
import { recordReliability } from '../reliability.ts';
import { Luck } from './luck.ts';
import { run, type Sweep } from './sweep.ts';
import { guids, identityAnswers, measurements, prometheusAnswers, readBacks } from './sweeps/answers.ts';
import { configObjects, configTexts } from './sweeps/config.ts';
import { countingPrograms } from './sweeps/counting-programs.ts';
import { ledgerLines, ledgerSweep } from './sweeps/ledger.ts';
import { machineFiles } from './sweeps/machine.ts';
import { manifestObjects, manifestTexts } from './sweeps/manifests.ts';
import { memberAnswers } from './sweeps/members.ts';
import { pointerObjects, pointerTexts } from './sweeps/pointers.ts';
import { readings } from './sweeps/readings.ts';
import { haproxyAnswers, routesFiles, serveStatus } from './sweeps/routers.ts';
import { commandLines, outputLines, sanitised } from './sweeps/speech.ts';
import { abortSweep, holdSweep, recordSweep } from './sweeps/state-files.ts';
import { traces } from './sweeps/traces.ts';

type Any = Sweep<never>;

function folder(name: string): string {
  const dir = join(freshFolder(), name);
  fs.mkdirSync(dir, { mode: 0o700 });
  return dir;
}

/** All sweeps; those that need a folder get one of their own. */
export function allSweeps(): readonly Any[] {
  return [
    manifestObjects,
    configObjects,
    ledgerSweep((seed) => new Luck(seed)),
    pointerObjects,
    routesFiles,
    serveStatus,
    haproxyAnswers,
    prometheusAnswers,
    measurements,
    readings,
    countingPrograms,
    identityAnswers,
    memberAnswers,
    readBacks,
    guids,
    outputLines,
    sanitised,
    commandLines,
    manifestTexts,
    configTexts,
    ledgerLines,
    traces,
    pointerTexts,
    machineFiles,
    holdSweep(folder('hold')),
    recordSweep(folder('records')),
    abortSweep,
  ] as unknown as readonly Any[];
}

export interface Part {
  readonly seconds: number;
  readonly inputs: number;
}

/** Runs one sweep and says what became of its inputs. */
export async function runSweep<T>(sweep: Sweep<T>, count: number, seed: string): Promise<Part> {
  const began = performance.now();
  const { inputs, ends } = await run(sweep, count, seed);
  const seconds = (performance.now() - began) / 1000;
  const tally = [...ends].map(([end, many]) => `${many} ${end}`).join(', ');
  console.log(`${inputs} ${sweep.what} in ${seconds.toFixed(1)} s, seed ${seed}: ${tally}`);
  return { seconds, inputs };
}

/** One line for the reliability table. */
export function recordFuzzing(name: string, what: string, parts: readonly Part[], failures: number, seed: string): void {
  const sum = (of: (part: Part) => number) => parts.reduce((total, part) => total + of(part), 0);
  recordReliability({ name, what, points: sum((part) => part.inputs), seconds: sum((part) => part.seconds), seed, failures });
}
