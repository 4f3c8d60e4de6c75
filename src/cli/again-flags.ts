import { GRACE, UPLOADS_AGE } from './defaults.js';

/** Flags besides a policy's that make a plan what it is; not every command has them all. */
interface TypedFlags {
  readonly free?: string;
  readonly grace: string;
  readonly uploadsOlderThan: string;
  readonly now?: string;
  readonly writeOff: readonly string[];
  readonly allowMount: readonly string[];
  readonly diskIsAuthority?: boolean;
}

/** What else was typed that makes the plan what it is: the command to repeat it has it too. */
export function otherFlags(flags: TypedFlags): string[] {
  const typed: readonly (readonly [string, string | undefined])[] = [
    ['--free', flags.free],
    ['--grace', flags.grace === GRACE ? undefined : flags.grace],
    [
      '--uploads-older-than',
      flags.uploadsOlderThan === UPLOADS_AGE ? undefined : flags.uploadsOlderThan,
    ],
    ['--now', flags.now],
    ...flags.writeOff.map((path) => ['--write-off', path] as const),
    ...flags.allowMount.map((path) => ['--allow-mount', path] as const),
  ];
  const words = typed.flatMap(([flag, value]) => (value === undefined ? [] : [flag, value]));
  return flags.diskIsAuthority === true ? [...words, '--disk-is-authority'] : words;
}
