import type { Command } from 'commander';

/** By command: what people come for. A test carries them out. */
const EXAMPLES: Readonly<Record<string, string>> = {
  plan: `
What nothing refers to, and untagged manifests, as a plan to sweep:
  regsweep plan /var/lib/registry -m -o plan.ndjson
By a policy; and 50 GiB and no more of what some flags let go:
  regsweep plan /var/lib/registry --policy policy.yaml -o plan.ndjson
  regsweep plan /var/lib/registry --keep-last 5 --protect latest --free 50GiB
A pull-through cache:
  regsweep plan /srv/mirror --evict-to 200GiB -o plan.ndjson
With 0 bytes free, without any file:
  regsweep plan /var/lib/registry -m -o - | regsweep sweep - --yes`,
  sweep: `
Stop the registry first, and start it afterwards. The same command goes on where
it was stopped. Links first, so that they can be put back:
  regsweep sweep plan.ndjson --until 04:30
  regsweep sweep plan.ndjson --links-only --undo undo.ndjson
  regsweep sweep undo.ndjson`,
  check: `
After an outage, with the registry stopped:
  regsweep check /var/lib/registry --hash --newest-first -o mend.ndjson
  regsweep sweep mend.ndjson
  regsweep check /var/lib/registry --shopping-list --csv push-again.csv`,
};

/** Ends the help of commands with examples. */
export function addExamples(program: Command): void {
  for (const command of program.commands) {
    const text = EXAMPLES[command.name()];
    if (text !== undefined) command.addHelpText('after', text);
  }
}
