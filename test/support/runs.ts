/**
 * How many random stores a test tries: all of them takes longer than everybody's tests may. A
 * third does for a run, since most draw new ones each time; `REGSWEEP_THOROUGH=1` tries all.
 */
const IS_THOROUGH = process.env['REGSWEEP_THOROUGH'] === '1';

/** Of `all` runs those that are tried now, at least one. */
export function runsOf(all: number): number {
  return IS_THOROUGH ? all : Math.ceil(all / 3);
}
