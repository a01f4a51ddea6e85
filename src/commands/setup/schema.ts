/** `schema`: prints one JSON Schema by its name. Must not read files. */
import { schemaNames, schemaText } from '../../config/json-schemas.ts';
import { KvdeployError } from '../../core/errors.ts';
import { didYouMean } from '../../core/nearest.ts';
import type { Deps, Outcome } from '../../release/deps.ts';

/** @throws KvdeployError UNKNOWN_NAME, listing the schemas there are. */
export function schema(name: string, out: (text: string) => void): void {
  const known = schemaNames.find((each) => each === name);
  if (known === undefined) {
    throw new KvdeployError('UNKNOWN_NAME', {
      message: `There is no schema "${name}".${didYouMean(name, schemaNames)}`,
      hint: `Known: ${schemaNames.join(', ')}`,
    });
  }
  out(schemaText(known));
}

// Wires `schema` to the process.

export async function schemaCommand(name: string, deps: Deps): Promise<Outcome> {
  let text = '';
  schema(name, (more) => {
    text += more;
  });
  if (deps.globals.json === true) deps.line({ type: 'document', name: 'schema', data: JSON.parse(text) });
  else process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return { code: null, message: '', silent: deps.globals.json !== true };
}
