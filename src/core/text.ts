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

/** `3 of 40 (7.5 %)`: a rate without its count misleads. */
export function countText(part: number, whole: number): string {
  return whole === 0 ? `${part} of 0` : `${part} of ${whole} (${fractionText(part / whole)})`;
}

/** At most five names, and how many more there are. */
export function listText(names: readonly string[]): string {
  const more = names.length - 5;
  return `${names.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
