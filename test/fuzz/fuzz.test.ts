/** The short form of the fuzzing: 15,000 objects and 1,500 texts. The long one is in fuzz.deep.test.ts. */
import { fuzzInForm } from './fuzz-in-form.ts';

fuzzInForm({ name: 'fuzz-short', objects: 15_000, texts: 1500, timeoutMs: 30_000 });
