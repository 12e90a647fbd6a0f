/** "Did you mean ...": the known name that a mistyped one was most likely to be. Pure. */

/** Answers the nearest of `names` by edit distance, or null if none is near enough to suggest. */
export function nearestName(name: string, names: Iterable<string>): string | null {
  const distanceMax = Math.max(2, Math.floor(name.length / 3));
  let best: string | null = null;
  let bestDistance = distanceMax + 1;
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= bestDistance) continue;
    const distance = editDistance(name, candidate, bestDistance);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Insertions, deletions, substitutions and swaps of neighbours; answers `bound` if it is not less. */
export function editDistance(a: string, b: string, bound = Number.POSITIVE_INFINITY): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    let rowMin = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let distance = Math.min(
        (previous[j] as number) + 1,
        (current[j - 1] as number) + 1,
        (previous[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        distance = Math.min(distance, (beforePrevious[j - 2] as number) + 1);
      }
      current.push(distance);
      rowMin = Math.min(rowMin, distance);
    }
    if (rowMin >= bound) return bound;
    beforePrevious = previous;
    previous = current;
  }
  return Math.min(bound, previous[b.length] as number);
}
