/** `doctor`: looks at everything that an emergency would need. Must change nothing, and must report what it cannot reach. */
import { type Deps, done, type Outcome } from './command.ts';

export async function doctor(_options: { readonly breakGlass?: boolean }, _deps: Deps): Promise<Outcome> {
  return done('');
}
