/** Wires `schema` to the process. */
import type { Deps, Outcome } from './command.ts';
import { schema } from './schema.ts';

export async function schemaCommand(name: string, deps: Deps): Promise<Outcome> {
  let text = '';
  schema(name, (more) => {
    text += more;
  });
  if (deps.globals.json === true) deps.line({ type: 'document', name: 'schema', data: JSON.parse(text) });
  else process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return { code: null, message: '', silent: deps.globals.json !== true };
}
