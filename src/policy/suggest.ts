/** The candidate nearest to what was written, when near enough to be meant; `_` counts as `-`. */
export function nearest(written: string, candidates: readonly string[]): string | undefined {
  const wanted = written.toLowerCase().replaceAll('_', '-');
  let best: string | undefined;
  // Beyond a third of the word a suggestion is noise; two letters swapped are a distance of 2.
  let limit = (wanted.length > 3 ? Math.max(2, Math.floor(wanted.length / 3)) : 1) + 1;
  for (const candidate of candidates) {
    const begun = wanted.length > 2 && candidate.startsWith(wanted);
    const distance = begun ? 1 : editDistance(wanted, candidate);
    if (distance < limit) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

/** Levenshtein's distance, in one row of the table. */
export function editDistance(a: string, b: string): number {
  const row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    let diagonal = i - 1;
    row[0] = i;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j] ?? 0;
      const change = a.charCodeAt(i - 1) === b.charCodeAt(j - 1) ? 0 : 1;
      row[j] = Math.min(above + 1, (row[j - 1] ?? 0) + 1, diagonal + change);
      diagonal = above;
    }
  }
  return row[b.length] ?? 0;
}
