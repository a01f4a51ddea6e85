/** Asks every location of a target. One that is dead must not hide what the others show. */
import { KvdeployError } from '../core/errors.ts';
import type { Unseen } from './router.ts';

export interface Each<T> {
  readonly answered: readonly T[];
  /** Why the others could not be read. */
  readonly unseen: readonly Unseen[];
}

/** Asks all at once. Rejects, with the reason of the first, where none answers. */
export async function eachOf<T>(names: readonly string[], ask: (name: string) => Promise<T>): Promise<Each<T>> {
  const found = await Promise.allSettled(names.map(ask));
  const answered = found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = found.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const strange = failed.find((error) => !(error instanceof KvdeployError));
  if (strange !== undefined || (answered.length === 0 && failed.length > 0)) throw strange ?? failed[0];
  const known = failed.filter((error) => error instanceof KvdeployError);
  return { answered, unseen: known.map(({ message, hint }) => ({ why: message.replace(/\.$/, ''), cure: hint })) };
}

/** Says that locations serve different splits, each in words; nothing where they agree. */
export function apart(all: readonly { readonly name: string; readonly split: string }[]): readonly string[] {
  if (new Set(all.map(({ split }) => split)).size < 2) return [];
  return [`the locations have different splits: ${all.map(({ name, split }) => `${name} ${split}`).join('; ')}`];
}
