/** `example`: says how many entries the ledger of a scope has. Copy it to src/commands/look/<verb>.ts. Changes nothing. */
import { scopeText } from '../../core/scope.ts';
import { type Deps, done, type Outcome } from '../../release/deps.ts';
import { openScope } from '../../release/open.ts';

export interface ExampleOptions {
  /** Says the number alone. */
  readonly short?: boolean;
}

/** Throws what `openScope` throws; with an empty ledger it says so and succeeds. */
export async function example(options: ExampleOptions, deps: Deps): Promise<Outcome> {
  const { scope, entries, flags } = await openScope(deps, { config: 'optional' });
  deps.line({ type: 'document', name: 'example', data: { scope, entries: entries.length } });
  deps.print(options.short === true ? `${entries.length}\n` : `${scopeText(scope)}: ${entries.length} entries\n`);
  return done('Nothing was changed.', [`kvdeploy history ${flags}`]);
}
