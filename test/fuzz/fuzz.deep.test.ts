/** The long form of the fuzzing: a million objects and a hundred thousand texts. */
import { fuzzInForm } from './fuzz-in-form.ts';

fuzzInForm({ name: 'fuzz', objects: 1_000_000, texts: 100_000, timeoutMs: 600_000 });
