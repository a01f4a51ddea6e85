/** The short form of the fuzzing: 15,000 objects and 1,500 texts. The long one is in the deep tests beside this. */
import { fuzzInForm } from './fuzz-in-form.ts';

fuzzInForm({ name: 'fuzz-objects-short', kind: 'objects', inputs: 15_000, timeoutMs: 60_000 });
fuzzInForm({ name: 'fuzz-texts-short', kind: 'texts', inputs: 1500, timeoutMs: 60_000 });
