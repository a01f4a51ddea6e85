/** The long form of the fuzzing, its second half: a hundred thousand texts. */
import { fuzzInForm } from './fuzz-in-form.ts';

fuzzInForm({ name: 'fuzz-texts', kind: 'texts', inputs: 100_000, timeoutMs: 1_200_000 });
