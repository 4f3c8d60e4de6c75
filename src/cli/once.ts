import type { Command, Option } from 'commander';
import { AppError } from '../fs/errors.js';

/**
 * Refuses an option with one value that is given twice: commander takes the last one, and a second
 * `--policy` would silently lose all that the first one protects.
 * @throws AppError `usage`, while a command line is parsed
 */
export function refuseRepeats(command: Command): void {
  for (const option of command.options) {
    if (option.required || option.optional) refuseRepeat(command, option);
  }
  command.commands.forEach(refuseRepeats);
}

function refuseRepeat(command: Command, option: Option): void {
  let first: string | undefined;
  // commander's own listener comes first, so the value is there; a list's values are an array.
  command.on(`option:${option.name()}`, () => {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (typeof value !== 'string') return;
    if (first !== undefined) {
      const flag = option.long ?? option.flags;
      throw new AppError('usage', `${flag} was given twice: ${first}, ${value}`, [
        'it takes one value, and the last would win silently: leave one of them out',
      ]);
    }
    first = value;
  });
}
