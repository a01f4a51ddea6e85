/** `schema`: prints one JSON Schema by its name. Must not read files. */
import { schemaNames, schemaText } from '../../config/json-schemas.ts';
import { KvdeployError } from '../../core/errors.ts';
import { didYouMean } from '../../core/nearest.ts';
import type { Deps, Outcome } from '../../release/deps.ts';

/** The schema with this name. @throws KvdeployError UNKNOWN_NAME, listing the schemas. */
export function schema(name: string): string {
  const known = schemaNames.find((each) => each === name);
  if (known !== undefined) return schemaText(known);
  const message = `There is no schema "${name}".${didYouMean(name, schemaNames)}`;
  throw new KvdeployError('UNKNOWN_NAME', { message, hint: `Known: ${schemaNames.join(', ')}` });
}

export async function schemaCommand(name: string, deps: Deps): Promise<Outcome> {
  const text = schema(name);
  deps.line({ type: 'document', name: 'schema', data: JSON.parse(text) });
  deps.print(text);
  return { code: null, message: '', silent: deps.globals.json !== true };
}
