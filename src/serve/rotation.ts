/** Smooth weighted round-robin: which place gets the next request. Must not be random, so that small traffic fits the split too. */
import { hundredths } from '../routers/local-routes.ts';

/**
 * Returns a function that gives the place of each next request. Any run of n requests is within about one request per
 * place of the exact shares, and the places alternate instead of coming in bursts (the method of nginx's upstream
 * balancing). A place at 0 % never comes. The weights are hundredths of a percent.
 */
export function rotation(split: readonly { place: string; percent: number }[]): () => string {
  const entries = split
    .filter(({ percent }) => percent > 0)
    .map(({ place, percent }) => ({ place, weight: hundredths(percent), current: 0 }));
  const total = entries.reduce((sum, { weight }) => sum + weight, 0);
  return () => {
    const [first] = entries;
    if (first === undefined) throw new Error('a split without a place');
    let best = first;
    for (const entry of entries) {
      entry.current += entry.weight;
      if (entry.current > best.current) best = entry;
    }
    best.current -= total;
    return best.place;
  };
}
