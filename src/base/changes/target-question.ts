/** Asks a target itself which environment it is. Must never take a missing answer for a yes, or change anything. */
import { safeLine } from '../text.ts';
import {
  type Environment,
  elsewhereFor,
  type HttpQuestion,
  type Outside,
  type SocketQuestion,
  type TargetQuestion,
} from './change.ts';
import { hearProgram } from './hear.ts';
import { textAt } from './json-path.ts';

const always = () => undefined;

/** Asks one question of a target that must be `own`; `others` are the environments that it must not be. Never throws. */
export async function askTarget(
  question: TargetQuestion,
  own: string,
  others: readonly string[],
  outside: Outside,
): Promise<Environment> {
  const there = elsewhereFor(question, outside);
  const where = `${there === undefined ? '' : `${question.at}: `}${askedWhere(question)}`;
  let said: string | undefined;
  try {
    if (there !== undefined) return await there.ask({ do: 'question', question, own, others });
    said = await saidBy(question, outside);
  } catch (error) {
    return { kind: 'unsaid', why: `${where} does not say which environment it is: ${safeLine((error as Error).message)}` };
  }
  if (said === undefined || said.trim() === '')
    return { kind: 'unsaid', why: `${where} answers, but does not say which environment it is` };
  const shown = safeLine(said.trim().slice(0, 120));
  const other = question.kind === 'socket' ? otherIn(said, own, others) : said === own ? undefined : shown;
  if (other !== undefined) return { kind: 'other', why: `${where} says that it is ${other} (${shown}), not ${own}` };
  if (question.kind !== 'socket' || wordsOf(said).includes(own)) return { kind: 'own' };
  return { kind: 'unsaid', why: `${where} does not say which environment it is: ${shown}` };
}

/** Who is asked. */
export function askedWhere(question: TargetQuestion): string {
  switch (question.kind) {
    case 'socket':
      return question.address;
    case 'http':
      return question.url;
    case 'run':
      return safeLine(question.argv.join(' '));
  }
}

async function saidBy(question: TargetQuestion, outside: Outside): Promise<string | undefined> {
  switch (question.kind) {
    case 'socket':
      return fieldOf(question, outside);
    case 'http':
      return namedIn(question, outside);
    case 'run':
      return (await hearProgram(question, outside)).said(question);
  }
}

/** The words in which a target describes itself. */
export function wordsOf(text: string): readonly string[] {
  return text
    .toLowerCase()
    .split(/[^a-z0-9-]+/)
    .filter((word) => word !== '');
}

/** Another environment that these words name: whatever follows `environment=`, or without that a known one. */
function otherIn(text: string, own: string, others: readonly string[]): string | undefined {
  const [, stated] = /\benv(?:ironment)?\s*[=:]\s*([a-z0-9-]+)/i.exec(text) ?? [];
  if (stated !== undefined) return stated.toLowerCase() === own ? undefined : stated.toLowerCase();
  return wordsOf(text).find((word) => word !== own && others.includes(word));
}

async function fieldOf({ address, command, field, timeoutMs }: SocketQuestion, outside: Outside): Promise<string | undefined> {
  const lines = (await outside.socket(address, command, timeoutMs, always)).split('\n');
  const start = `${field.toLowerCase()}:`;
  return lines.find((line) => line.toLowerCase().startsWith(start))?.slice(start.length);
}

async function namedIn({ url, json, timeoutMs }: HttpQuestion, outside: Outside): Promise<string | undefined> {
  const answer = await outside.http({ method: 'GET', url, timeoutMs }, always);
  if (answer.status !== 200) throw new Error(`it answered ${answer.status}`);
  return textAt(answer.body, json);
}
