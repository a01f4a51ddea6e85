/** Faults of how latency is judged next to the other metrics. */
import { type Mutant, mutant } from './mutant.ts';

export const OF_THE_LATENCY: readonly Mutant[] = [
  mutant(
    'a metric that cannot be seen blinds the others',
    'unseen latency',
    'core/gates/counting/blocks.ts',
    'if (!left) return unusable(',
    'if (left || !left) return unusable(',
  ),
  mutant(
    'latency that cannot be seen passes',
    'unseen latency',
    'core/gates/verdict/evidence-verdict.ts',
    "reasons.push(...unseenTexts(data).map((why) => reason('data', gate, why)));",
    'reasons.push();',
  ),
];
