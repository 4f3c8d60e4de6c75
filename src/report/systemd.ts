export interface UnitFacts {
  /** How to start regsweep: absolute, a word an entry. */
  readonly program: readonly string[];
  /** How to stop what writes into the registry, and how to start it. */
  readonly stop: readonly string[];
  readonly start: readonly string[];
  readonly root: string;
  readonly policy: string | undefined;
  readonly untagged: boolean;
  /** Passed on: where looking for a registry proves nothing, the unit's own stop has to do. */
  readonly registryStopped: boolean;
  /** As `--max-duration` takes it. */
  readonly maxDuration: string;
  /** As systemd's `OnCalendar=` takes it. */
  readonly schedule: string;
}

// The plan goes to a tmpfs that systemd empties after each run: a full disk does not stop it.
const PLAN = '/run/regsweep/plan.ndjson';

/**
 * The service: a registry stopped, a plan, a sweep, and the registry started however that
 * ended. The reports are in the journal.
 */
export function renderService(facts: UnitFacts): string {
  const { program, root, policy, untagged, registryStopped, maxDuration } = facts;
  const word = registryStopped ? ['--registry-stopped'] : [];
  const plan = [
    ...program,
    'plan',
    root,
    '--no-progress',
    '-o',
    PLAN,
    ...(policy === undefined ? [] : ['--policy', policy]),
    ...(untagged ? ['-m'] : []),
    ...word,
  ];
  const sweep = [
    ...program,
    'sweep',
    PLAN,
    '--yes',
    '--no-progress',
    '--max-duration',
    maxDuration,
    ...word,
  ];
  return `# /etc/systemd/system/regsweep.service
[Unit]
Description=Free the registry's disk of what nothing uses
RequiresMountsFor=${unitPath(root)}

[Service]
Type=oneshot
NoNewPrivileges=yes
RuntimeDirectory=regsweep
RuntimeDirectoryMode=0700
StateDirectory=regsweep
StateDirectoryMode=0700
Environment=XDG_STATE_HOME=/var/lib
ExecStartPre=${commandLine(facts.stop)}
ExecStart=${commandLine(plan)}
ExecStart=${commandLine(sweep)}
# Also after a failure: of the plan, of the sweep, or of stopping the registry.
ExecStopPost=${commandLine(facts.start)}
# 4: the time was over at a safe point; the next run goes on.
SuccessExitStatus=4
# A stop waits for a safe point.
TimeoutStopSec=10min
`;
}

/** The timer. A run that was missed, as the host was off, is not made up for in the day. */
export function renderTimer({ schedule }: UnitFacts): string {
  return `# /etc/systemd/system/regsweep.timer
[Unit]
Description=Free the registry's disk on a schedule

[Timer]
OnCalendar=${schedule}
Persistent=no

[Install]
WantedBy=timers.target
`;
}

function commandLine(words: readonly string[]): string {
  return words.map(unitWord).join(' ');
}

/** systemd.service(5), "Command lines": `%` and `$` are doubled, the rest as in C. */
function unitWord(word: string): string {
  const plain = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w@%$+=:,./-]+$/.test(plain)) return plain;
  return `"${plain.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
}

function unitPath(path: string): string {
  const plain = path.replaceAll('%', '%%');
  if (/^[^\s"'\\]+$/.test(plain)) return plain;
  return `"${plain.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
}
