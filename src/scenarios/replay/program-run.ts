/** Runs one command of the real program and reads what it said as data. Must take nothing for said that its last line does not say. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { shortGuid } from '../../core/scope.ts';
import { memberOf, type Scene } from './scene.ts';

/** No command of a replay takes half of this. */
const COMMAND_MS = 45_000;

/** What a finished command said. */
export interface Ran {
  /** As it could be typed, with shortened GUIDs. */
  readonly command: string;
  /** The exit code, or the name of the signal that ended it. */
  readonly exit: number | string;
  /** Of its result line; undefined when there was none. */
  readonly code: string | null | undefined;
  readonly message: string;
  readonly seconds: number;
  /** The data of its documents, by name. */
  readonly documents: ReadonlyMap<string, unknown>;
}

/** The words of a command line, with `@name` as that build's GUID. */
export function wordsOf(args: string, { scenario }: Scene, form: 'whole' | 'short' = 'whole'): readonly string[] {
  const words = args.match(/'[^']*'|\S+/g) ?? [];
  return words.map((word) => {
    if (word.startsWith('@')) {
      const { guid } = memberOf(scenario, word.slice(1));
      return form === 'whole' ? guid : shortGuid(guid);
    }
    return form === 'whole' ? word.replace(/^'(.*)'$/, '$1') : word;
  });
}

export function commandText(args: string, scene: Scene): string {
  return `kvdeploy ${wordsOf(args, scene, 'short').join(' ')}`;
}

/** Runs it to its end, or ends it after 45 s. */
export async function runProgram(args: string, from: 'empty' | undefined, scene: Scene): Promise<Ran> {
  const { world } = scene;
  const startedAt = performance.now();
  const lines: string[] = [];
  const at = from === 'empty' ? { cwd: join(world.folder, 'empty') } : {};
  const running = world.startInBackground([...wordsOf(args, scene), '--json'], (line) => lines.push(line), at);
  const late = new AbortController();
  const tooLate = pause(COMMAND_MS, 'no end', { signal: late.signal }).catch(() => 'no end');
  const exit = await Promise.race([running.ended, tooLate]);
  late.abort();
  if (exit === 'no end') await running.stop();
  const seconds = (performance.now() - startedAt) / 1000;
  return { command: commandText(args, scene), exit, seconds, ...said(lines) };
}

function said(lines: readonly string[]): Pick<Ran, 'code' | 'message' | 'documents'> {
  const objects = lines.flatMap(objectOf);
  const result = objects.findLast((object) => object['type'] === 'result');
  const code = result?.['code'];
  const documents = objects.filter((object) => object['type'] === 'document');
  return {
    code: code === null || typeof code === 'string' ? code : undefined,
    message: String(result?.['message'] ?? ''),
    documents: new Map(documents.map((document) => [String(document['name']), document['data']])),
  };
}

function objectOf(line: string): readonly Record<string, unknown>[] {
  if (!line.startsWith('{')) return [];
  try {
    return [JSON.parse(line) as Record<string, unknown>];
  } catch {
    return [];
  }
}
