import type { SemVer } from 'semver';
// The package's front door loads all of its 57 files: 13 ms of every start, for these two.
import compareBuild from 'semver/functions/compare-build.js';
import parse from 'semver/functions/parse.js';

/** A tag read as a version. */
export type Version = SemVer;

// A leading `v`, one to three numbers, a pre-release. Partial versions are usual for tags (`1.2`,
// `v3`), and semver itself rejects them; its `coerce` would accept anything with a digit in it.
const SHAPE = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(-[0-9A-Za-z.-]+)?$/;

/** The version that a tag names, or undefined: leading zeros and four numbers are none. */
export function parseVersion(tag: string): Version | undefined {
  const match = SHAPE.exec(tag);
  if (match === null) return undefined;
  const [, major, minor, patch, prerelease] = match;
  return parse(`${major}.${minor ?? 0}.${patch ?? 0}${prerelease ?? ''}`) ?? undefined;
}

/** By precedence, then by build. Nearly always a number decides, long before semver is asked. */
export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || compareBuild(a, b);
}
