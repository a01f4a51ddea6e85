/** The long form of the fuzzing, its first half: a million objects. */
import { fuzzInForm } from './fuzz-in-form.ts';

fuzzInForm({ name: 'fuzz-objects', kind: 'objects', inputs: 1_000_000, timeoutMs: 1_200_000 });
