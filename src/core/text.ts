/** Numbers in words, one function for each unit: durations, percents, shares and counts. Pure. */

/** `1m30s` of 90,000 milliseconds; milliseconds below a second. */
export function msText(ms: number): string {
  if (ms > 0 && ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.round(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  return parts.map(([count, unit]) => (count > 0 ? `${count}${unit}` : '')).join('') || '0s';
}

/** `2 days` or `5 hours` of what takes so long; less as `msText` has it. */
export function longText(ms: number): string {
  const hours = Math.round(ms / 3_600_000);
  if (hours < 2) return msText(ms);
  return hours < 48 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** `2.5 %` of 2.5: two decimals, or more where these would call something nothing, or a part the whole. */
export function percentText(percent: number): string {
  const short = Math.round(percent * 100) / 100;
  if (percent < 0.01) return `${Number(percent.toPrecision(2))} %`;
  return `${short === 100 ? percent : short} %`;
}

/** `0.26 %` of 0.0026. */
export function fractionText(fraction: number): string {
  return percentText(fraction * 100);
}

/** Two shares that are held against each other, in as many digits as it takes to tell them apart: `0.1001 %` and `0.1 %`. Alike only if they are equal. */
export function apartTexts(fraction: number, other: number): readonly [string, string] {
  const [short, shortOther] = [fractionText(fraction), fractionText(other)];
  if (short !== shortOther || fraction === other) return [short, shortOther];
  for (let digits = 3; digits <= 17; digits += 1) {
    const [one, two] = [fraction, other].map((each) => Number((each * 100).toPrecision(digits)));
    if (one !== two) return [`${one} %`, `${two} %`];
  }
  return [short, shortOther];
}

/** `3 of 40 (7.5 %)`: a rate without its count misleads. */
export function countText(part: number, whole: number): string {
  return whole === 0 ? `${part} of 0` : `${part} of ${whole} (${fractionText(part / whole)})`;
}

/** The same, and the share that it is held against: `1001 of 1000000 (0.1001 %)` and `0.1 %`. */
export function countAgainstTexts(part: number, whole: number, limit: number): readonly [string, string] {
  if (whole === 0) return [countText(part, whole), fractionText(limit)];
  const [rate, most] = apartTexts(part / whole, limit);
  return [`${part} of ${whole} (${rate})`, most];
}

/** `3 of 40 (7.5 %) vs 1 of 900 (0.11 %)`. */
export function versusText(one: readonly [part: number, whole: number], other: readonly [part: number, whole: number]): string {
  if (one[1] === 0 || other[1] === 0) return `${countText(...one)} vs ${countText(...other)}`;
  const [first, second] = apartTexts(one[0] / one[1], other[0] / other[1]);
  return `${one[0]} of ${one[1]} (${first}) vs ${other[0]} of ${other[1]} (${second})`;
}

/** At most five names, and how many more there are. */
export function listText(names: readonly string[]): string {
  const more = names.length - 5;
  return `${names.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** The same with a capital first: a reason that begins a sentence. */
export function capitalized(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
